import numpy as np
import pytest

from mac import rng
from mac.envs import toy
from mac.errors import ConfigError
from tests.specs import POINTMASS, ROBOTS


def chase(simulation, seed, task):
    """Head for the task's target; returns positions before each action and the transitions."""
    observation, _ = simulation.reset(seed, task)
    positions, transitions = [], []
    while not transitions or not (transitions[-1].terminated or transitions[-1].truncated):
        positions.append(observation[:2])
        push = 3 * (toy.TARGETS[task - 1] - observation[:2]) - 10 * observation[2:]
        transitions.append(simulation.step(push))
        observation = transitions[-1].observation
    return np.array(positions), transitions


@pytest.mark.parametrize("task", range(1, 6))
def test_tasks_are_solvable_and_timed_like_the_real_ones(task):
    positions, transitions = chase(toy.make(POINTMASS, "reward"), 0, task)
    rewards, masks = toy.task_rewards(POINTMASS, task, positions, None)
    assert [one.reward for one in transitions] == rewards.tolist()
    assert [one.success for one in transitions] == (masks == 0).tolist()
    assert transitions[-1].success and transitions[-1].terminated
    assert 5 < len(transitions) < POINTMASS.max_episode_steps

    other, after = chase(toy.make(POINTMASS, "goal"), 0, task)
    assert len(after) == len(transitions) - 1  # success is judged after the action
    assert after[-1].success and np.array_equal(other, positions[:-1])


def test_goal_and_observation():
    observation, goal = toy.make(POINTMASS, "goal").reset(3, 2)
    assert observation.dtype == goal.dtype == np.float32
    assert np.abs(observation[:2] - toy.STARTS[1]).max() <= 0.05
    assert observation[2:].tolist() == [0, 0]
    assert np.array_equal(goal, toy.TARGETS[1].astype(np.float32))
    assert toy.make(POINTMASS, "reward").reset(3, 2)[1].shape == (0,)
    assert np.array_equal(toy.oracle_goals(POINTMASS, goal[None], None), goal[None])


def test_time_limit():
    simulation = toy.make(POINTMASS, "goal")
    simulation.reset(0, 1)
    steps = [simulation.step(np.zeros(2)) for _ in range(60)]
    assert [one.truncated for one in steps] == [False] * 59 + [True]
    assert not any(one.terminated for one in steps)


def test_walls_stop_the_point():
    position, speed = np.array([0.99, 0.0]), np.array([0.1, 0.01])
    toy.advance(position, speed, np.array([1.0, 0.0]))
    assert position[0] == 1 and speed[0] == 0 and 0 < position[1] < 0.01


def test_collected_rows_follow_the_dynamics():
    rows = toy.collector(POINTMASS).episode(rng.stream(0, "test"), 200)
    for row in range(200):
        position = rows["qpos"][row].astype(np.float64)
        speed = rows["qvel"][row].astype(np.float64)
        toy.advance(position, speed, rows["actions"][row])
        assert position == pytest.approx(rows["qpos"][row + 1], abs=1e-6)
    visited = np.ptp(rows["qpos"], axis=0)
    assert (visited > 0.8).all()
    assert (np.abs(rows["actions"]) == 1).mean() < 0.5


def test_wrong_widths_are_named():
    with pytest.raises(ConfigError, match=r"found \(28, 5, 3\); expected \(4, 2, 2\)"):
        toy.make(ROBOTS["cube-single"], "goal")
