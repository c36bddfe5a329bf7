"""Each number against a slow computation of its own, on parts small enough to write out."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from mac.components.expansion import ValueExpansion
from mac.components.select import BestOf
from mac.evaluation import candidates
from mac.evaluation.candidates import (
    diagnose_candidates,
    imagined_returns,
    kl_bound,
    nearest,
    rank_correlation,
)
from mac.rng import stream

STATE, GOAL, LENGTH, A, N, H, GAMMA = 3, 2, 2, 2, 5, 3, 0.9


class Behaviour:
    """Squashes noise, a little shifted by the state."""

    def sample(self, observations, goals, noise):
        chunks = torch.tanh(noise + 0.1 * observations.sum(-1, keepdim=True))
        return chunks.unflatten(-1, (LENGTH, A))


def critic(observations, goals, actions):
    return actions.sum(-1) * observations[..., 0] - (actions**2).sum(-1) + 0 * goals.sum(-1)


def model(observations, actions):
    return observations + 0.2 * torch.nn.functional.pad(actions.mean(-2), (0, 1))


def outcome(observations, goals, actions):
    rewards = observations[..., 0] - actions.abs().sum((-1, -2))
    return rewards, (observations[..., 1] < 1.0).to(rewards.dtype)  # some rollouts end


class View:
    """Batches of made-up states and chunks."""

    def sample(self, generator, size):
        def normal(*shape):
            return generator.standard_normal((size, *shape), dtype=np.float32)

        actions = np.tanh(normal(LENGTH, A))
        return SimpleNamespace(
            observations=normal(STATE), value_goals=normal(GOAL), actions=actions
        )


def expansion(length=H):
    values = SimpleNamespace(
        value=None, target_value=lambda s, g: s.square().sum(-1) + g.sum(-1), critic=critic
    )
    return ValueExpansion(
        values,
        model,
        outcome,
        BestOf(Behaviour(), critic),
        ((4,), LENGTH * A),
        rollout_length=length,
        rollout_batch_size=None,
        return_discount=GAMMA,
        critic_discount=0.0,
        td_lambda=0.5,  # of training alone
        polyak_rate=0.1,
        loss="bce",
    )


def agent(count=N):
    return SimpleNamespace(
        act_noise={"z": (count, LENGTH * A)},
        rejection=BestOf(Behaviour(), critic),
        parts={"value": expansion()},
    )


def slow_return(part, state, goal, chunk, noise):
    """One rollout of one candidate, written out."""
    total, weight = 0.0, 1.0
    for h in range(part.rollout_length):
        if h > 0:
            drawn = [Behaviour().sample(state[None], goal[None], z[None])[0] for z in noise[h]]
            scores = [float(critic(state, goal, c.flatten())) for c in drawn]
            chunk = drawn[int(np.argmax(scores))]
        reward, mask = outcome(state, goal, chunk)
        total += weight * float(reward)
        weight *= GAMMA * float(mask)
        state = model(state, chunk)
    final = torch.sigmoid(part.values.target_value(state, goal))
    return total + weight * float(final)


@pytest.mark.parametrize("length", [1, H])
def test_imagined_returns_are_those_of_single_rollouts(length):
    part = expansion(length)
    draws = stream(0, "test")
    states, goals = (
        torch.tensor(draws.normal(size=(6, w)), dtype=torch.float32) for w in (STATE, GOAL)
    )
    chunks = torch.tensor(draws.uniform(-1, 1, (N, 6, LENGTH, A)), dtype=torch.float32)
    found = imagined_returns(part, states, goals, chunks, seed=7)
    noise = stream(7, "diagnose", "rollouts").standard_normal(
        (length, 4, 6, LENGTH * A), dtype=np.float32
    )
    for i in range(N):
        for b in range(6):
            expected = slow_return(
                part, states[b], goals[b], chunks[i, b], torch.tensor(noise[:, :, b])
            )
            assert float(found[i, b]) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_numbers_are_those_of_a_loop_over_states(monkeypatch):
    monkeypatch.setattr(candidates, "STATES", 7)
    monkeypatch.setattr(candidates, "DATA_CHUNKS", 11)
    found = diagnose_candidates(agent(), View(), View(), 3, "cpu")
    batch = View().sample(stream(3, "diagnose", "states"), 7)
    data = View().sample(stream(3, "diagnose", "data"), 11).actions
    noise = stream(3, "diagnose", "candidates").standard_normal((N, 7, LENGTH * A))
    states, goals = torch.tensor(batch.observations), torch.tensor(batch.value_goals)
    chunks = Behaviour().sample(states, goals, torch.tensor(noise, dtype=torch.float32))
    returns = imagined_returns(expansion(), states, goals, chunks, 3).numpy()
    gaps, spreads, ranks, near, yard = [], [], [], [], []
    for b in range(7):
        scores = np.array([float(critic(states[b], goals[b], c.flatten())) for c in chunks[:, b]])
        own = chunks[:, b].numpy()
        gaps.append(scores.max() - np.mean(scores))
        deviations = [np.sqrt(np.mean((x - np.mean(x)) ** 2)) for x in own.reshape(N, -1).T]
        spreads.append(np.mean(deviations))
        ranks.append(spearmanr(scores, returns[:, b]).statistic)
        for kept, where in ((own[scores.argmax()], near), (batch.actions[b], yard)):
            where.append(min(np.sqrt(np.mean((kept - other) ** 2)) for other in data))
    expected = {"gap": gaps, "spread": spreads, "rank": ranks}
    expected |= {"distance": near, "data_distance": yard}
    for name, values in expected.items():
        assert found[name] == pytest.approx(np.mean(values), rel=1e-4), name
    assert (found["states"], found["candidates"], found["horizon"]) == (7, N, H)


def test_a_seed_decides_all_numbers(monkeypatch):
    monkeypatch.setattr(candidates, "STATES", 7)
    first, again, other = (
        diagnose_candidates(agent(), View(), View(), seed, "cpu") for seed in (3, 3, 4)
    )
    assert first == again
    assert all(first[key] != other[key] for key in ("gap", "spread", "rank", "distance"))


def test_one_candidate_leaves_nothing_to_choose(monkeypatch):
    monkeypatch.setattr(candidates, "STATES", 7)
    found = diagnose_candidates(agent(count=1), View(), View(), 3, "cpu")
    assert (found["gap"], found["spread"], found["rank"], found["kl_bound"]) == (0, 0, None, 0)


def test_rank_correlation_shares_ranks_and_leaves_out_states_without_order():
    scores = np.array([[1.0, 0.0, 3.0], [1.0, 0.0, 2.0], [2.0, 0.0, 2.0]])
    returns = np.array([[0.0, 1.0, 1.0], [1.0, 2.0, 1.0], [2.0, 3.0, 4.0]])
    expected = [spearmanr(scores[:, b], returns[:, b]).statistic for b in (0, 2)]
    assert rank_correlation(scores, returns) == pytest.approx(np.mean(expected))
    assert rank_correlation(returns, returns) == pytest.approx(1.0)


def test_distance_of_what_is_in_the_data_is_zero():
    data = stream(0, "chunks").uniform(-1, 1, (9, LENGTH, A))
    assert nearest(data[3:5], data) == 0.0
    assert nearest(data[:1] + 0.25, data[:1]) == pytest.approx(0.25)


@pytest.mark.parametrize("count", [1, 2, 32])
def test_the_bound_is_reached_where_no_two_candidates_tie(count):
    """With u the share of proposals that score less, the kept one has density N u^(N - 1)."""
    share = (np.arange(1_000_000) + 0.5) / 1_000_000
    density = count * share ** (count - 1)
    divergence = np.mean(np.where(density > 0, density * np.log(np.maximum(density, 1e-300)), 0))
    assert kl_bound(count) == pytest.approx(divergence, abs=1e-4)
