from types import SimpleNamespace

import numpy as np
import pytest

from mac.data import describe as module
from mac.data.build import build
from mac.data.collect import write_npz
from mac.data.describe import describe, text
from mac.data.store import Store
from mac.envs import toy
from tests.specs import POINTMASS

NOISE = 0.05


def raw(path, places, lengths):
    """Episodes of a mass that stands still at a place each, with small random pushes."""
    generator = np.random.default_rng(0)
    rows = [length + 1 for length in lengths]
    qpos = np.repeat(np.asarray(places, np.float32), rows, axis=0)
    terminals = np.zeros(len(qpos), np.float32)
    terminals[np.cumsum(rows) - 1] = 1
    actions = generator.normal(0.2, NOISE, (len(qpos), 2)).astype(np.float32)
    actions[:, 1] = 1
    observations = np.concatenate([qpos, 0 * qpos], axis=1)
    arrays = {"observations": observations, "actions": actions, "qpos": qpos, "qvel": 0 * qpos}
    write_npz(path, {**arrays, "terminals": terminals})
    return path


@pytest.fixture
def store(tmp_path):
    places = [toy.TARGETS[0], toy.TARGETS[0] + 0.05, [-1.0, -1.0], toy.TARGETS[4]]
    files = [
        [raw(tmp_path / "train.npz", places, [40, 40, 60, 1000])],
        [raw(tmp_path / "val.npz", [toy.TARGETS[0], [0.0, 0.0]], [10, 20])],
    ]
    build(*files, POINTMASS, tmp_path / "store")
    return Store.open(tmp_path / "store")


@pytest.mark.parametrize("block", [17, 1 << 20])
def test_counts_are_exact(store, monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK_ROWS", block)
    found = describe(store)
    assert found["splits"]["train"] == {
        "files": 1,
        "episodes": 4,
        "transitions": 1140,
        "episode_lengths": {"min": 40, "median": 50.0, "max": 1000},
    }
    first, second, last = (found["tasks"][task]["train"] for task in ("1", "2", "5"))
    assert first["success_rate"] == 0.5 and first["solved_states"] == 82 / 1144
    assert first["mean_reward"] == pytest.approx(-1062 / 1144)
    assert first["rewards"] == {"-1": 1062 / 1144, "0": 82 / 1144}
    assert second["success_rate"] == second["solved_states"] == 0
    assert second["rewards"] == {"-1": 1.0}
    assert last["success_rate"] == 0.25
    assert found["tasks"]["1"]["validation"]["success_rate"] == 0.5


def test_coverage_actions_and_names(store):
    found = describe(store)
    # (1, 0), (-1, -1) and (1, 1) in training; (1, 0) and (0, 0) in validation.
    assert found["coverage"]["cells"] == 3
    assert found["coverage"]["validation_inside"] == 0.5
    assert [one["name"] for one in found["observations"]] == ["x", "y", "x speed", "y speed"]
    assert found["observations"][0]["min"] == -1
    assert found["coverage"]["goals"][1]["max"] == pytest.approx(0.6)
    noisy, fixed = found["actions"]
    assert noisy["mean"] == pytest.approx(0.2, abs=0.01)
    assert noisy["noise"] == pytest.approx(NOISE, rel=0.15)
    assert noisy["std"] == pytest.approx(NOISE, rel=0.1)
    assert abs(noisy["persistence"]) < 0.1 and noisy["cut_off"] == 0
    assert fixed["noise"] == 0 and fixed["cut_off"] == 1


def test_a_part_of_much_is_looked_at_in_whole_episodes(monkeypatch):
    split = SimpleNamespace(
        observations=np.zeros((100, 1)),
        starts=np.arange(0, 100, 10),
        lengths=np.full(10, 9),
    )
    monkeypatch.setattr(module, "LOOK_ROWS", 50)
    assert [(s.start, s.stop) for s in module._episodes(split)] == [
        (first, first + 10) for first in range(0, 100, 20)
    ]


def test_text_says_it_too(store):
    shown = text(describe(store))
    assert "1,140 transitions, 4 episodes of 40 to 1000 steps, 1 file\n" in shown
    assert "x speed" in shown and "50.0% of those of the validation split" in shown
    (line,) = (line for line in shown.splitlines() if line.startswith("1 "))
    assert line.split()[1:3] == ["50.0%", "7.17%"]
