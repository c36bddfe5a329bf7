import weakref

import numpy as np
import pytest

from mac.data import traits as module
from mac.data.collect import write_npz
from mac.data.traits import traits
from mac.envs import toy
from tests.specs import POINTMASS


def written(path, *episodes):
    """A raw file of episodes, each given by its places (rows, 2) and actions (rows, 2)."""
    places, actions = (np.concatenate(arrays) for arrays in zip(*episodes, strict=True))
    terminals = np.zeros(len(places), np.float32)
    terminals[np.cumsum([len(one) for one, _ in episodes]) - 1] = 1
    states = np.concatenate([places, 0 * places], axis=1)
    arrays = {"observations": states, "actions": actions, "qpos": places, "qvel": 0 * places}
    write_npz(path, {**arrays, "terminals": terminals})
    return path


@pytest.fixture
def files(tmp_path):
    draws = np.random.default_rng(0)
    still = np.tile(toy.TARGETS[0], (5, 1)), np.full((5, 2), 0.5)
    still[1][-1] = -1  # filler, of which nothing is told
    straight = np.linspace([-0.5, 0.0], [0.4, 0.0], 10), draws.uniform(-1, 1, (10, 2))
    other = draws.uniform(-1, 1, (7, 2)), np.tile([[1.0, 0.0]], (7, 1))
    return [
        written(tmp_path / "one.npz", still, straight),
        written(tmp_path / "two.npz", other),
    ]


def test_traits_of_hand_made_episodes(files):
    names, values = traits(files, POINTMASS)
    assert values.shape == (3, len(names)) and len(set(names)) == len(names)
    still, straight, other = (dict(zip(names, row, strict=True)) for row in values)
    assert [one["transitions"] for one in (still, straight, other)] == [4, 9, 6]
    assert [one["cells visited"] for one in (still, straight)] == [1, 1]
    assert still["x: first"] == still["x: mean"] == pytest.approx(0.6)
    assert still["x: std"] == still["x: change"] == 0
    assert straight["x: first"] == -0.5 and straight["x: change"] == pytest.approx(0.1)
    assert straight["x: mean"] == pytest.approx(-0.05)
    assert straight["x: std"] == pytest.approx(np.linspace(-0.5, 0.4, 10).std(), abs=1e-5)
    assert still["action 0: mean"] == pytest.approx(0.5) and still["action 0: std"] == 0
    assert other["action 0: cut_off"] == 1 and other["action 1: cut_off"] == 0
    assert (still["task 1: success"], still["task 1: solved states"]) == (1, 1)
    assert still["task 1: reward"] == 0 and still["task 2: reward"] == -1
    assert straight["task 1: success"] == 0 and straight["task 3: success"] == 1
    there = np.abs(np.linspace(-0.5, 0.4, 10) + 0.6) <= toy.TOLERANCE
    assert straight["task 3: solved states"] == pytest.approx(there.mean())


def test_rounding_of_a_machine_is_no_difference(tmp_path):
    where, actions = np.full((9, 2), 0.3), np.full((9, 2), 0.5)
    nudged = np.nextafter(where.astype(np.float32), np.float32(1))
    files = [written(tmp_path / f"{i}.npz", (x, actions)) for i, x in enumerate([where, nudged])]
    _, (one, other) = traits(files, POINTMASS)
    assert np.array_equal(one, other)


def test_files_are_in_memory_one_at_a_time(files, monkeypatch):
    alive = []

    def watched(file, spec):
        assert not any(reference() for reference in alive)
        split = read(file, spec)
        alive.append(weakref.ref(split))
        return split

    read = module.in_memory
    monkeypatch.setattr(module, "in_memory", watched)
    traits(files * 2, POINTMASS)
    assert len(alive) == 4
