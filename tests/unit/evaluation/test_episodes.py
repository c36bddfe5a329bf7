from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mac.config.baselines import StepConfig
from mac.config.schema import ChunkedConfig, EvaluateConfig, GoalsConfig
from mac.envs.vector import Episodes
from mac.errors import CheckpointError, ConfigError, ShapeError
from mac.evaluation.episodes import (
    Episode,
    Player,
    Rules,
    env_seed,
    plan_noise,
    play,
    rules_of,
    waves,
)
from mac.rng import stream
from tests.unit.evaluation.jobs import SPEC
from tests.unit.evaluation.stubs import LIMIT, Normalizer, Pilot, Walk, Walks

RULES = Rules(seed=3, execute_length=2, discount=0.9)


def episodes(count, tasks=2):
    return [Episode(f"walk-task{1 + i % tasks}", 1 + i % tasks, i) for i in range(count)]


def one_by_one(pilot, episode, rules, ends=True):
    """The protocol as a reader would say it: one episode, one environment, no batch."""
    walk = Walk(ends)
    observation, goal = walk.reset(env_seed(rules, episode), episode.task_id)
    normalizer, row = Normalizer(), {"return": 0.0, "discounted_return": 0.0, "length": 0}
    inputs = (
        torch.tensor(normalizer.observations(observation))[None],
        torch.tensor(normalizer.goals(goal))[None],
    )
    value = pilot.value(*inputs)
    row["value_estimate"] = float("nan") if value is None else float(value[0])
    done, plan = False, 0
    while not done:
        draws = stream(
            rules.seed, "evaluate", episode.task, rules.first_seed + episode.index, counter=plan
        )
        noise = {
            name: torch.tensor(draws.standard_normal(pilot.act_noise[name], dtype=np.float32))[None]
            for name in sorted(pilot.act_noise)
        }
        inputs = (
            torch.tensor(normalizer.observations(observation))[None],
            torch.tensor(normalizer.goals(goal))[None],
        )
        chunk = pilot.act(*inputs, noise)[0].numpy()
        for action in chunk[: rules.execute_length]:
            observation, reward, terminated, truncated, success = walk.step(np.clip(action, -1, 1))
            row["return"] += reward
            row["discounted_return"] += rules.discount ** row["length"] * reward
            row["length"] += 1
            row["success"] = success
            row["ever"] = row.get("ever", False) or success
            done = terminated or truncated
            if done:
                break
        plan += 1
    return row


@given(
    count=st.integers(1, 7),
    width=st.integers(7, 9),
    execute=st.integers(1, 3),
    seed=st.integers(0, 10),
    gain=st.sampled_from([0.1, 1.5]),
)
@settings(max_examples=25, deadline=None)
def test_wave_equals_episodes_played_alone(count, width, execute, seed, gain):
    rules = Rules(seed=seed, execute_length=execute, discount=0.9, first_seed=100)
    wave = episodes(count)
    pilot = Pilot(gain=gain)
    rows = play(Walks(width), Player(pilot, Normalizer(), "cpu"), wave, rules)
    assert set(pilot.batches) == {(width, 2)}  # always the same shape
    for episode, row in zip(wave, rows, strict=True):
        expected = one_by_one(Pilot(gain=gain), episode, rules)
        assert (row["task"], row["episode"]) == (episode.task, episode.index)
        assert (row["success"], row["length"]) == (expected["success"], expected["length"])
        for key in ("return", "discounted_return", "value_estimate"):
            assert row[key] == pytest.approx(expected[key], rel=1e-5)


def test_some_episodes_succeed_and_some_run_out_of_time():
    rows = play(Walks(8), Player(Pilot(gain=0.2), Normalizer(), "cpu"), episodes(8), RULES)
    assert {row["success"] for row in rows} == {True, False}
    assert all(row["length"] == LIMIT for row in rows if not row["success"])


def test_success_is_that_of_the_last_step():
    """Where reaching the goal does not end an episode, having been there once is not enough."""
    player = Player(Pilot(gain=1.5), Normalizer(), "cpu")
    rows = play(Walks(8, ends=False), player, episodes(8), RULES)
    assert {row["length"] for row in rows} == {LIMIT}
    expected = [one_by_one(Pilot(gain=1.5), e, RULES, ends=False) for e in episodes(8)]
    assert [row["success"] for row in rows] == [row["success"] for row in expected]
    assert any(row["ever"] and not row["success"] for row in expected)


def test_company_and_history_change_nothing():
    player = Player(Pilot(), Normalizer(), "cpu")
    environments = Walks(5)
    full = play(environments, player, episodes(5), RULES)
    assert play(environments, player, episodes(5), RULES) == full  # used environments
    for count in (1, 3):
        assert play(environments, player, episodes(count), RULES) == full[:count]


def test_a_task_and_an_index_have_their_own_seed_and_noise():
    keys = [Episode("a", 1, 0), Episode("a", 1, 1), Episode("b", 1, 0)]
    assert len({env_seed(RULES, key) for key in keys}) == 3
    shapes = {"z": (4,), "a": (2,)}
    draws = [plan_noise(shapes, RULES, key, plan)["z"] for key in keys for plan in (0, 1)]
    assert len({draw.tobytes() for draw in draws}) == 6
    again = plan_noise(shapes, RULES, keys[0], 1)
    assert again["z"].tobytes() == draws[1].tobytes()
    shifted = Rules(seed=3, execute_length=2, discount=0.9, first_seed=1)
    assert env_seed(shifted, keys[0]) == env_seed(RULES, keys[1])


def test_goal_rewards_are_on_the_scale_of_the_value_function():
    n, gamma = 3, 0.9
    config = ChunkedConfig(
        agent="x",
        mode="goal",
        chunk_length=n,
        discount=gamma,
        evaluate=EvaluateConfig(execute_length=2),
    )
    player = Player(Pilot(gain=0.3), Normalizer(), "cpu")
    rows = play(Walks(6), player, episodes(6), rules_of(config, 3))
    hit = [row for row in rows if row["success"]]
    miss = [row for row in rows if not row["success"]]
    assert hit and miss
    for row in miss:  # -1 for every started chunk; 17 steps are 5 chunks and two thirds
        exact = -(1 - gamma**LIMIT) / (1 - gamma**n)
        assert row["discounted_return"] == pytest.approx(exact)
    for row in hit:
        steps = row["length"] - 1  # the step that succeeds costs nothing
        assert row["discounted_return"] == pytest.approx(-(1 - gamma**steps) / (1 - gamma**n))
    positive = play(
        Walks(6),
        player,
        episodes(6),
        rules_of(config.model_copy(update={"goals": GoalsConfig(negative=False)}), 3),
    )
    for row in positive:
        expected = gamma ** (row["length"] - 1) if row["success"] else 0.0
        assert row["discounted_return"] == pytest.approx(expected)


@pytest.mark.parametrize(("reward", "scale"), [("mean", 3.0), ("sum", 1.0)])
def test_reward_mode_divides_by_the_chunk_only_where_chunks_average(reward, scale):
    config = ChunkedConfig(
        agent="x",
        mode="reward",
        chunk_length=3,
        discount=0.9,
        chunk_reward=reward,
        evaluate=EvaluateConfig(execute_length=2),
    )
    player = Player(Pilot(), Normalizer(), "cpu")
    plain = play(Walks(4), player, episodes(4), RULES)
    rows = play(Walks(4), player, episodes(4), rules_of(config, 3))
    for row, other in zip(rows, plain, strict=True):
        assert row["discounted_return"] == pytest.approx(other["discounted_return"] / scale)
        assert row["return"] == other["return"]


@pytest.mark.parametrize("mode", ["reward", "goal"])
def test_single_steps_have_rewards_of_their_own_scale(mode):
    config = StepConfig(agent="x", mode=mode, discount=0.9)
    assert rules_of(config, 3).reward_scale == 1.0


def test_without_noise_and_without_a_value_function():
    player = Player(Pilot(noisy=False, valued=False), Normalizer(), "cpu")
    rows = play(Walks(3), player, episodes(3), RULES)
    assert all(np.isnan(row["value_estimate"]) for row in rows)
    patient = play(Walks(3), player, episodes(3), replace(RULES, discount=0.5, reward_scale=7.0))
    assert repr(patient) == repr(rows)  # nan is not nan, but reads as nan


def test_mistakes_are_named():
    class Broken(Pilot):
        def act(self, observations, goals, noise):
            return torch.full((len(observations), 3, 2), float("nan"))

    class Flat(Pilot):
        def act(self, observations, goals, noise):
            return super().act(observations, goals, noise).flatten(1)

    with pytest.raises(CheckpointError, match="not finite"):
        play(Walks(2), Player(Broken(), Normalizer(), "cpu"), episodes(2), RULES)
    with pytest.raises(ShapeError, match=r"plan; found \(2, 6\); expected \(2, n, A\)"):
        play(Walks(2), Player(Flat(), Normalizer(), "cpu"), episodes(2), RULES)
    with pytest.raises(ShapeError, match="episodes in a wave; found 3; expected 1 to 2"):
        play(Walks(2), Player(Pilot(), Normalizer(), "cpu"), episodes(3), RULES)
    with pytest.raises(ConfigError, match=r"execute_length: .* found 4; expected at most 3"):
        rules = Rules(seed=0, execute_length=4, discount=1.0)
        play(Walks(2), Player(Pilot(), Normalizer(), "cpu"), episodes(2), rules)


def test_waves_cover_every_episode_once():
    cut = waves(episodes(23), 10)
    assert [len(wave) for wave in cut] == [10, 10, 3]
    assert [episode for wave in cut for episode in wave] == episodes(23)


class Slow:
    """Moves to the right, at a speed that the start decides; looks forward to -5 if it looks."""

    act_noise: ClassVar = {}

    def __init__(self, valued=True):
        self.valued = valued

    def act(self, observations, goals, noise):
        y = 2 * observations[:, 1]
        push = torch.stack([0.2 + 3 * y, torch.zeros_like(y)], dim=1)
        return push[:, None].repeat(1, 3, 1)

    def value(self, observations, goals):
        return torch.full((len(observations),), -5.0) if self.valued else None


@pytest.mark.parametrize("mode", ["reward", "goal"])
def test_unsolved_episodes_go_on_for_the_sake_of_their_return_alone(mode):
    """As in an environment whose limit is the horizon, but for all that a limit decides."""
    long = replace(SPEC, max_episode_steps=150)
    player = Player(Slow(), Normalizer(), "cpu")
    rules = replace(
        RULES, discount=0.99, reward="environment" if mode == "reward" else "goal_negative"
    )

    def rows(spec, rules):
        with Episodes(spec, mode, 6) as environments:
            return play(environments, player, episodes(6, tasks=1), rules)

    cut, whole = rows(SPEC, rules), rows(long, rules)
    followed = rows(SPEC, replace(rules, value_horizon=150))
    assert len({row["success"] for row in cut}) == 2
    assert any(row["success"] for row in whole if row["length"] > SPEC.max_episode_steps)
    for one, other, true in zip(followed, cut, whole, strict=True):
        returns = [row.pop("discounted_return") for row in (one, other, true)]
        assert one == other
        assert returns[0] == pytest.approx(returns[2])
        assert (returns[0] == returns[1]) == one["success"]
    # A horizon within the limit, or an agent without a value function, follows nothing.
    assert rows(SPEC, replace(rules, value_horizon=20)) == rows(SPEC, rules)
    player = Player(Slow(valued=False), Normalizer(), "cpu")
    assert repr(rows(SPEC, replace(rules, value_horizon=150))) == repr(rows(SPEC, rules))
