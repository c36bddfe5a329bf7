import os
import signal

import numpy as np
import pytest

from mac.envs.vector import Episodes
from mac.errors import ConfigError, ShapeError
from tests.specs import POINTMASS, ROBOTS


def play(episodes, seeds, tasks, steps=12):
    """All that W slots show under actions which depend on the seed, not on the slot."""
    observations, goals = episodes.reset(seeds, tasks)
    seen = [observations, goals]
    streams = [np.random.default_rng(seed) for seed in seeds]
    for _ in range(steps):
        actions = np.stack([s.uniform(-1, 1, episodes.spec.action_dim) for s in streams])
        step = episodes.step(actions.astype(np.float32))
        seen += [step.observations, step.rewards, step.terminated, step.truncated, step.successes]
    return np.concatenate([np.reshape(part, (len(seeds), -1)) for part in seen], axis=1)


@pytest.mark.parametrize("mode", ["reward", "goal"])
@pytest.mark.parametrize("name", ["pointmass", *sorted(ROBOTS)])
def test_an_episode_depends_on_its_seed_and_task_only(name, mode):
    spec = ROBOTS.get(name, POINTMASS)
    tasks = [2, 2, 2] if mode == "reward" else [1, 2, 3]
    with Episodes(spec, mode, 3) as episodes:
        first = play(episodes, [1, 2, 3], tasks)
        again = play(episodes, [1, 2, 3], tasks)
        turned = play(episodes, [2, 3, 1], tasks[1:] + tasks[:1])
        other = play(episodes, [4, 2, 3], tasks)
    assert np.array_equal(first, again)
    assert np.array_equal(first[[1, 2, 0]], turned)
    assert not np.array_equal(first[0], other[0])
    assert np.array_equal(first[1:], other[1:])
    assert len(np.unique(first, axis=0)) == 3


@pytest.mark.parametrize("name", ["pointmass", "cube-single"])
def test_any_number_of_workers_gives_the_same(name):
    spec = ROBOTS.get(name, POINTMASS)
    found = []
    for workers in (1, 2) if name == "cube-single" else (1, 2, 8):
        with Episodes(spec, "goal", 3, workers) as episodes:
            found.append(play(episodes, [5, 6, 7], [1, 4, 5]))
    assert all(np.array_equal(found[0], one) for one in found[1:])


@pytest.mark.parametrize("workers", [1, 2])
def test_empty_and_finished_slots_hold_zeros(workers):
    with Episodes(POINTMASS, "goal", 4, workers) as episodes:
        observations, goals = episodes.reset([1, None, 2, None], [1, None, 2, None])
        assert not observations[[1, 3]].any() and not goals[[1, 3]].any()
        assert observations[[0, 2]].any(axis=1).all() and goals[[0, 2]].any(axis=1).all()
        live = np.array([False, False, True, False])
        step = episodes.step(np.ones((4, 2), np.float32), live)
        assert step.observations[2].any()
        assert not step.observations[[0, 1, 3]].any()
        both = episodes.step(np.ones((4, 2), np.float32), np.array([True, False, True, False]))
        # The slot that stood still is one step behind the other.
        assert np.abs(both.observations[0, 2:]).max() < np.abs(both.observations[2, 2:]).max()


def test_shapes_by_mode():
    with Episodes(POINTMASS, "reward", 2) as episodes:
        observations, goals = episodes.reset([0, 1], [3, 3])
        assert observations.shape == (2, 4) and goals.shape == (2, 0)
        assert observations.dtype == goals.dtype == np.float32
        step = episodes.step(np.zeros((2, 2), np.float32))
        assert step.rewards.tolist() == [-1, -1] and step.rewards.dtype == np.float64


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_a_simulator_arrive(workers):
    with Episodes(POINTMASS, "goal", 2, workers) as episodes:
        with pytest.raises(ConfigError, match=r"task: .* found 9; expected 1 to 5"):
            episodes.reset([0, 0], [1, 9])
        assert episodes.reset([0, 0], [1, 2])[0].shape == (2, 4)  # and the slots live on


def test_a_worker_whose_answer_nobody_awaits_ends_quietly(capfd):
    with Episodes(POINTMASS, "goal", 2, workers=2) as episodes:
        episodes.reset([1, 2], [1, 1])
        _, worker = episodes._groups[0]
        os.kill(worker._process.pid, signal.SIGSTOP)
        worker.send("step", {0: (np.zeros(2),)})
        worker._pipe.close()
        os.kill(worker._process.pid, signal.SIGCONT)
        worker._process.join()
        assert worker._process.exitcode == 0
    assert "Traceback" not in capfd.readouterr().err


def test_wrong_shapes_are_named():
    with Episodes(POINTMASS, "goal", 2) as episodes:
        with pytest.raises(ShapeError, match=r"one seed and one task per slot; found 1 and 2"):
            episodes.reset([0], [1, 2])
        episodes.reset([0, 0], [1, 2])
        with pytest.raises(ShapeError, match=r"found \(2, 3\); expected \(2, 2\)"):
            episodes.step(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "both"}, r"mode: unknown; found both; expected reward or goal"),
        ({"width": 0}, r"width: too small; found 0"),
        ({"workers": 0}, r"workers: too small; found 0"),
    ],
)
def test_wrong_settings_are_named(options, message):
    settings = {"mode": "goal", "width": 2, "workers": 1, **options}
    with pytest.raises(ConfigError, match=message):
        Episodes(POINTMASS, **settings)
