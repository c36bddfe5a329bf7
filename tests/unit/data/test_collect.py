import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mac.data.collect as module
from mac import rng
from mac.config.schema import ActorGoals, ValueGoals
from mac.data.build import build
from mac.data.collect import collect, write_npz
from mac.data.store import Store
from mac.data.views import Chunks
from mac.envs import toy
from mac.envs.registry import EnvSpec, adapter
from mac.envs.vector import Episodes
from mac.errors import ConfigError
from tests.specs import POINTMASS, ROBOTS

VALUE = ValueGoals()
ACTOR = ActorGoals()


def gather(folder, spec=POINTMASS, **options):
    """Collect into ``folder`` and return both files' bytes."""
    settings = {"train_episodes": 5, "episode_length": 12, "seed": 0, "workers": 1, **options}
    files = folder / "train.npz", folder / "val.npz"
    collect(spec, *files, resume_dir=folder / "resume", **settings)
    assert sorted(path.name for path in folder.iterdir()) == ["train.npz", "val.npz"]
    return [path.read_bytes() for path in files]


def load(path):
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.mark.parametrize("name", sorted(ROBOTS))
def test_each_robot_is_collected_built_and_sampled(name, tmp_path):
    spec, length = ROBOTS[name], 30
    gather(tmp_path, spec, train_episodes=1, episode_length=length)
    raw = load(tmp_path / "train.npz")
    widths = {"observations": spec.observation_dim, "actions": 5}
    keys = {"observations", "actions", "terminals", "qpos", "qvel"}
    if not name.startswith("cube"):
        keys.add("button_states")
        assert raw["button_states"].dtype == np.int64
        assert set(np.unique(raw["button_states"])) <= {0, 1}
    assert set(raw) == keys
    for key in keys - {"button_states"}:
        assert raw[key].dtype == np.float32
        assert len(raw[key]) == length + 1
    for key, width in widths.items():
        assert raw[key].shape[1] == width
    assert raw["terminals"].tolist() == [0.0] * length + [1.0]
    assert np.abs(raw["actions"]).max() <= 1
    assert np.abs(np.diff(raw["observations"], axis=0)).max() > 0.01  # the arm moves

    build([tmp_path / "train.npz"], [tmp_path / "val.npz"], spec, tmp_path / "store")
    store = Store.open(tmp_path / "store")
    split, normalizer = store.split("train"), store.normalizer("validation")
    assert split.goals.shape == (length + 1, spec.goal_dim)
    for mode, options in (
        ("reward", {"task": 2}),
        ("goal", {"value_goals": VALUE, "actor_goals": ACTOR}),
    ):
        view = Chunks(split, normalizer, 5, 0.99, mode, **options)
        batch = view.sample(rng.stream(0, "test"), 16)
        assert batch.actions.shape == (16, 5, 5)
        assert batch.observations.shape == (16, spec.observation_dim)
        assert batch.value_goals.shape == (16, spec.goal_dim if mode == "goal" else 0)
        assert all(np.isfinite(value).all() for value in vars(batch).values())


def test_an_environment_is_one_line(tmp_path):
    """One that no shipped suite names is collected, built and evaluated without new code."""
    line = {
        "dataset": "cube-triple-play",
        "env_id": "cube-triple-v0",
        "tasks": 5,
        "observation_dim": 46,
        "action_dim": 5,
        "goal_dim": 9,
        "max_episode_steps": 1000,
    }
    spec = EnvSpec.from_line("cube-triple", line)
    gather(tmp_path, spec, train_episodes=1, episode_length=12)
    build([tmp_path / "train.npz"], [tmp_path / "val.npz"], spec, tmp_path / "store")
    split = Store.open(tmp_path / "store").split("train")
    assert set(np.unique(split.rewards)) <= {-3, -2, -1, 0}
    with Episodes(spec, "goal", 1) as episodes:
        observations, goals = episodes.reset([0], [5])
    assert observations.shape == (1, 46) and goals.shape == (1, 9)


def test_episodes_do_not_depend_on_workers_or_order(tmp_path):
    for name in ("one", "three", "more"):
        (tmp_path / name).mkdir()
    one = gather(tmp_path / "one")
    assert gather(tmp_path / "three", workers=3) == one
    more = gather(tmp_path / "more", train_episodes=7)
    assert more != one
    few, many = (load(tmp_path / name / "train.npz") for name in ("one", "more"))
    for key, values in few.items():
        assert np.array_equal(values, many[key][: len(values)])


@pytest.mark.parametrize("change", [{"seed": 1}, {"episode_length": 13}])
def test_other_settings_other_data(tmp_path, change):
    assert gather(tmp_path) != gather(tmp_path, **change)


def test_splits_and_episodes_differ_but_repeat(tmp_path):
    gather(tmp_path, train_episodes=20)
    train, val = load(tmp_path / "train.npz"), load(tmp_path / "val.npz")
    assert len(val["actions"]) == 2 * 13
    rows = np.concatenate([train["observations"][::13], val["observations"][::13]])
    assert len(np.unique(rows, axis=0)) == 22


def test_robot_episode_does_not_depend_on_what_ran_before():
    """Also the scene, whose buttons change the compiled model."""
    spec = ROBOTS["scene"]
    fresh, used = (adapter(spec).collector(spec) for _ in range(2))
    for counter in range(3):
        used.episode(rng.stream(0, "test", counter=counter), 15)
    first = fresh.episode(rng.stream(0, "test", counter=3), 15)
    again = used.episode(rng.stream(0, "test", counter=3), 15)
    for key, values in first.items():
        assert np.array_equal(values, again[key]), key


def test_global_generator_is_left_alone():
    spec = ROBOTS["cube-single"]
    collector = adapter(spec).collector(spec)
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()  # noqa: NPY002
    first = collector.episode(rng.stream(0, "test"), 5)
    after = np.random.get_state()  # noqa: NPY002
    assert np.array_equal(before[1], after[1]) and before[2:] == after[2:]
    np.random.seed(6)  # noqa: NPY002
    again = collector.episode(rng.stream(0, "test"), 5)
    assert np.array_equal(first["observations"], again["observations"])


SLOW = """
import sys, time
from pathlib import Path
from mac.data import collect as module
from tests.specs import POINTMASS
plain = module.write_npz
def slow(path, arrays):
    plain(path, arrays)
    time.sleep(0.1)
module.write_npz = slow
if __name__ == "__main__":
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    module.collect(POINTMASS, folder / "train.npz", folder / "val.npz", train_episodes=50,
                   episode_length=12, seed=0, workers=workers, resume_dir=folder / "resume")
"""


def start_slow(folder, workers):
    """A process that takes 0.1 s an episode, after it has finished three."""
    script = folder.parent / "slow.py"
    script.write_text(SLOW)
    folder.mkdir(exist_ok=True)
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(workers)],
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}"},
    )
    patience = time.monotonic() + 60
    while len(list((folder / "resume").glob("train-*-*.npz"))) < 3:
        assert process.poll() is None and time.monotonic() < patience
        time.sleep(0.02)
    return process


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("workers", "number"), [(1, signal.SIGTERM), (2, signal.SIGTERM), (2, signal.SIGKILL)]
)
def test_killed_collection_goes_on(tmp_path, monkeypatch, workers, number):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    whole.mkdir()
    process = start_slow(killed, workers)
    helpers = children(process.pid)
    assert len(helpers) >= (workers if workers > 1 else 0)
    process.send_signal(number)
    assert process.wait(timeout=20) == -number
    patience = time.monotonic() + 20
    while any(runs(pid) for pid in helpers):  # no worker outlives the job
        assert time.monotonic() < patience
        time.sleep(0.02)
    assert not (killed / "train.npz").exists()
    kept = set((killed / "resume").glob("train-*-*.npz"))
    assert 3 <= len(kept) < 50

    written = []
    monkeypatch.setattr(
        module, "write_npz", lambda path, arrays: (written.append(path), write_npz(path, arrays))
    )
    found = gather(killed, train_episodes=50)
    assert not kept & set(written)
    assert len([path for path in written if path.parent.name == "resume"]) == 55 - len(kept)
    assert found == gather(whole, train_episodes=50)


def test_what_is_collected_is_said(tmp_path, capsys):
    gather(tmp_path)
    said = "collect pointmass-play seed 0, 12 transitions each: 6/6 episodes"
    assert said in capsys.readouterr().err


def test_leftovers_of_another_collection_are_not_used(tmp_path, monkeypatch):
    plain = toy.PlaceCollector.episode
    calls = []

    def interrupted(self, stream, length):
        calls.append(length)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(self, stream, length)

    left, other = tmp_path / "left", tmp_path / "other"
    left.mkdir()
    other.mkdir()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(toy.PlaceCollector, "episode", interrupted)
        gather(left)
    assert len(list((left / "resume").glob("train-*-*.npz"))) == 2
    assert gather(left, seed=1) == gather(other, seed=1)


@pytest.mark.parametrize("file", ["train-000001-*.npz", "identity.json"])
@pytest.mark.parametrize("damage", [b"", b"PK", None])
def test_damaged_leftovers_are_collected_again(tmp_path, monkeypatch, file, damage):
    plain, left, whole = toy.PlaceCollector.episode, tmp_path / "left", tmp_path / "whole"
    calls = []

    def interrupted(self, stream, length):
        calls.append(length)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return plain(self, stream, length)

    left.mkdir()
    whole.mkdir()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(toy.PlaceCollector, "episode", interrupted)
        gather(left)
    (path,) = (left / "resume").glob(file)
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    path.write_bytes(flipped if damage is None else damage)
    assert gather(left) == gather(whole)


def test_file_bytes_depend_on_the_arrays_only(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False])}
    write_npz(tmp_path / "one.npz", arrays)
    os.utime(tmp_path / "one.npz", (0, 0))
    time.sleep(2.1)  # zip archives count in steps of two seconds
    write_npz(tmp_path / "two.npz", arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    found = load(tmp_path / "two.npz")
    assert all(np.array_equal(found[key], value) for key, value in arrays.items())


@pytest.mark.parametrize("key", ["train_episodes", "episode_length", "workers"])
def test_impossible_settings_are_named(tmp_path, key):
    with pytest.raises(ConfigError, match=f"{key}: cannot collect; found 0; expected >= 1"):
        gather(tmp_path, **{key: 0})


def test_environment_without_an_oracle_is_named(tmp_path):
    maze = replace(ROBOTS["cube-single"], name="maze", env_id="humanoidmaze-medium-v0")
    with pytest.raises(ConfigError, match=r"'maze' has no scripted oracle for .*; use data.source"):
        gather(tmp_path, maze)
