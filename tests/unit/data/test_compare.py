"""`mac data compare`, as a user calls it, on what is collected here in different ways."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mac.cli import main
from mac.data.collect import collect, write_npz
from mac.data.raw import raw_files
from mac.data.traits import traits
from mac.data.transfer import is_address
from mac.envs import toy
from mac.planning.datasets import data_jobs, environment
from mac.planning.sources import offered
from mac.stats.samples import LEVEL, compare, text
from tests.specs import POINTMASS, ROBOTS

CONFIGS = Path("configs").resolve()


def made(folder, spec=POINTMASS, **options):
    """A folder of what is collected with these options; by default as the suite has it."""
    settings = {"train_episodes": 100, "episode_length": 200, "seed": 0, **options}
    name = f"{spec.dataset}-v0"
    files = folder / f"{name}.npz", folder / f"{name}-val.npz"
    collect(spec, *files, resume_dir=folder / "resume", **settings)
    return folder


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder in which `mac data collect pointmass-play` was called."""
    folder = tmp_path_factory.mktemp("here")
    (folder / "configs").symlink_to(CONFIGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(main, ["data", "collect", "pointmass-play"])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def mac(here, monkeypatch):
    monkeypatch.chdir(here)

    def run(*places, options=("--json",)):
        given = [part for place in places for part in ("--with", str(place))]
        return CliRunner().invoke(main, ["data", "compare", "pointmass-play", *given, *options])

    return run


def differing(result):
    """Names of the traits that differ, by a result whose exit code says whether any does."""
    found = json.loads(result.stdout)
    assert result.exit_code == bool(found["differing"]), result.output
    return [one["trait"] for one in found["traits"][: found["differing"]]]


def test_another_seed_makes_no_difference(mac, tmp_path):
    result = mac(made(tmp_path, seed=1, train_episodes=70))
    assert differing(result) == []
    assert json.loads(result.stdout)["episodes"] == [110, 77]
    shown = mac(tmp_path, options=())
    assert shown.exit_code == 0
    assert "no difference found: 0 of 43 traits, 110 episodes against 77" in shown.stdout


def test_a_tenth_more_noise_is_found(mac, tmp_path, monkeypatch):
    monkeypatch.setattr(toy, "ACTION_NOISE", 1.1 * toy.ACTION_NOISE)
    found = differing(mac(made(tmp_path, seed=1)))
    assert found and {*found} <= {
        *(f"action {axis}: {trait}" for axis in (0, 1) for trait in ("noise", "persistence")),
        *(f"{axis} speed: change" for axis in "xy"),
    }


def test_half_the_speed_is_found(mac, tmp_path, monkeypatch):
    monkeypatch.setattr(toy, "PUSH", toy.PUSH / 2)
    found = differing(mac(made(tmp_path, seed=1)))
    assert {f"{axis} speed: {trait}" for axis in "xy" for trait in ("change", "std")} <= {*found}
    assert not any(name.endswith("first") for name in found)


def test_a_task_that_is_never_solved_is_found(mac, tmp_path):
    path = made(tmp_path, seed=1, train_episodes=200) / "pointmass-play-v0.npz"
    with np.load(path) as raw:
        episodes = {key: raw[key].reshape(200, 201, *raw[key].shape[1:]) for key in raw.files}
    away = np.linalg.norm(episodes["qpos"] - toy.TARGETS[1], axis=2).min(axis=1) > toy.TOLERANCE
    kept = {key: np.concatenate(rows[away]) for key, rows in episodes.items()}
    write_npz(tmp_path / "away.npz", kept)
    found = differing(mac(tmp_path / "away.npz"))
    assert {"task 2: success", "task 2: solved states"} <= {*found[:3]}
    assert not any(name.startswith("task") and "task 2" not in name for name in found)


def test_episodes_of_another_length_are_found(mac, tmp_path):
    assert differing(mac(made(tmp_path, seed=1, episode_length=190)))[0] == "transitions"


def test_several_places_are_one_side(mac, tmp_path):
    folders = [made(tmp_path / str(seed), seed=seed, train_episodes=30) for seed in (1, 2)]
    assert json.loads(mac(*folders).stdout)["episodes"] == [110, 66]


def refused(result, *parts):
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("mac: ")]
    assert not result.stdout
    for part in parts:
        assert part in line, line


def test_files_of_other_widths_are_refused(mac, tmp_path):
    path = made(tmp_path, seed=1, train_episodes=10) / "pointmass-play-v0.npz"
    with np.load(path) as raw:
        arrays = dict(raw)
    wide = np.repeat(arrays["observations"], 2, axis=1)
    write_npz(path, {**arrays, "observations": wide})
    refused(mac(path), f"{path}: observations: wrong shape; found (2010, 8); expected (2010, 4)")


def test_a_damaged_file_of_the_users_is_never_to_be_deleted_with_its_folder(mac, here, tmp_path):
    path = made(tmp_path, seed=1, train_episodes=10) / "pointmass-play-v0.npz"
    path.write_bytes(path.read_bytes()[:1000])
    refused(mac(path), f"{path}: truncated or damaged", "; replace it")


def test_what_tells_nothing_is_refused(mac, here, tmp_path):
    (own,) = (here / "data/raw").glob("pointmass-play-*")
    refused(mac(own), "110 episodes that are on both sides")
    refused(mac(tmp_path), f"{tmp_path}: no raw files", "pointmass-play-v0*.npz")
    refused(mac(tmp_path / "absent.npz"), "absent.npz: no raw files")
    few = made(tmp_path, seed=1, train_episodes=1)
    refused(mac(few), "too few episodes to tell any difference; found 110 and 2")
    assert mac().exit_code == 2


@pytest.fixture(scope="module")
def play(tmp_path_factory):
    """Twelve short episodes of cube-single's plan oracle."""
    return short(ROBOTS["cube-single"], tmp_path_factory.mktemp("play"), seed=0)


def short(spec, folder, **options):
    made(folder, spec, train_episodes=11, episode_length=100, **options)
    return traits(raw_files([folder], spec.dataset), spec)


def test_one_oracle_of_the_arm_equals_itself(play, tmp_path):
    names, ours = play
    _, theirs = short(ROBOTS["cube-single"], tmp_path, seed=1)
    assert compare(names, ours, theirs)["differing"] == 0


def test_the_two_oracles_of_the_arm_differ(play, tmp_path):
    names, ours = play
    noisy = replace(ROBOTS["cube-single"], dataset="cube-single-noisy")
    _, theirs = short(noisy, tmp_path, seed=0)
    found = compare(names, ours, theirs)
    assert "action 4: noise" in [one["trait"] for one in found["traits"][: found["differing"]]]


@pytest.mark.parametrize("dataset", ["cube-single-play", "pointmaze-medium-navigate"])
def test_collected_equals_released(dataset, tmp_path):
    """Where OGBench's own files lie; minutes of collection."""
    (job,) = data_jobs(dataset, "fetch")
    *_, places = offered(job).places
    name = job.data_files[-1]
    here = [job.directory / name, *(Path(place) for place in places if not is_address(place))]
    released = next((path for path in here if path.exists()), None)
    if released is None:
        pytest.skip(f"the released {name} is in no folder where `mac data fetch` looks")
    spec = environment(dataset)
    made(tmp_path, spec, train_episodes=60, episode_length=1000, workers=2)
    names, ours = traits(raw_files([tmp_path], dataset), spec)
    found = compare(names, ours, traits([released], spec)[1])
    differing = [one["trait"] for one in found["traits"] if one["adjusted_p_value"] <= LEVEL]
    # What the gripper touches changes with the simulator's version alone.
    assert not [trait for trait in differing if "contact" not in trait], text(found)
