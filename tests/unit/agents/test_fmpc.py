"""Losses and choice of FMPC against its equations, written out row by row."""

import math

import numpy as np
import pytest
import torch

from mac.agents.fmpc import FMPC
from mac.config.load import Layer, resolve
from mac.errors import ConfigError
from mac.nets.mlp import Init
from mac.types import OutcomeBatch, Spaces

ROWS, STATE, GOAL, ACTION, LENGTH = 5, 3, 2, 2, 4
WIDTHS = {f"{name}.hidden_dims": [7] for name in ("value", "actor", "dynamics")}


def resolved(**values):
    content = {"agent": "fmpc", "mode": "goal", "outcome_length": LENGTH, "discount": 0.9}
    content |= {"evaluate.num_candidates": 3, "flow_steps": 2, **WIDTHS, **values}
    return resolve([Layer.of("test.yaml", content)], FMPC.Config).config


def build(**values):
    return FMPC(resolved(**values), Spaces(STATE, GOAL, ACTION), Init(0))


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def batch(chunk, returns):
    outcomes = normal(ROWS, LENGTH, STATE)
    return OutcomeBatch(
        observations=normal(ROWS, STATE),
        actions=normal(ROWS, chunk, ACTION).clamp(-1, 1),
        rewards=torch.tensor([0.0, 1.0, 0.5, -1.0, 0.3]),
        masks=torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0]),
        next_observations=outcomes[:, -1],
        value_goals=normal(ROWS, GOAL),
        actor_goals=normal(ROWS + 1, GOAL)[1:],
        outcomes=outcomes,
        returns_to_go=returns,
    )


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def entropy(logit, label):
    label = min(max(label, 0.0), 1.0)
    return -label * math.log(sigmoid(logit)) - (1 - label) * math.log(1 - sigmoid(logit))


def slow_losses(agent, data, kind, corrected):
    """(L_V, L_Q), one row and one return at a time."""
    fit = entropy if kind == "bce" else lambda prediction, target: (prediction - target) ** 2
    value, critic = [], []
    for i in range(ROWS):
        goal = data.value_goals[i : i + 1]
        v = agent.baseline(data.observations[i : i + 1], goal).item()
        value += [fit(v, returns[i].item()) for returns in data.returns_to_go]
        after = agent.baseline(data.outcomes[i : i + 1, LENGTH - 1], goal).item()
        after = sigmoid(after) if corrected else after
        target = data.rewards[i].item() + 0.9**LENGTH * data.masks[i].item() * after
        vector = torch.cat([data.outcomes[i].flatten(), goal[0], data.actions[i].flatten()])
        critic.append(fit(agent.critic(vector[None]).item(), target))
    return np.mean(value), np.mean(critic)


@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize("windows", [1, LENGTH + 1])
@pytest.mark.parametrize(
    ("kind", "corrected"), [("squared", False), ("bce", False), ("bce", True)], ids=str
)
def test_value_and_critic_losses(chunk, windows, kind, corrected):
    values = {"value.loss": kind, "value.corrected_critic": corrected, "chunk_length": chunk}
    agent, data = build(**values), batch(chunk, normal(windows, ROWS))
    with torch.no_grad():
        noise = {n: torch.zeros(draw.shape) for n, draw in agent.dynamics.draws(ROWS).items()}
        found = [loss.value.item() for loss in agent.losses(data, noise)[1:]]
        assert found == pytest.approx(slow_losses(agent, data, kind, corrected), rel=1e-5)


def integrate(field, given, point):
    """Two Euler steps of a flow given a vector."""
    for k in range(2):
        inputs = torch.cat([given, point, torch.tensor([k / 2])])
        point = point + field(inputs[None])[0] / 2
    return point


@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize("independent", [False, True])
def test_the_candidate_of_the_best_outcome_acts(chunk, independent):
    """Where noise is shared, that of all actions is the beginning of that of all outcomes."""
    agent = build(**{"chunk_length": chunk, "independent_noise": independent})
    observations, goals = normal(ROWS, STATE), normal(ROWS, GOAL)
    noise = {name: normal(ROWS, *shape) for name, shape in agent.act_noise.items()}
    width, ahead = chunk * ACTION, LENGTH * STATE
    with torch.no_grad():
        found = agent.act(observations, goals, noise)
        for i, (s, g) in enumerate(zip(observations, goals, strict=True)):
            best = (-math.inf, None)
            for j in range(3):
                if independent:
                    z, w = noise["action_z"][i, j], noise["outcome_z"][i, j]
                else:
                    z = noise["z"][i][j * width : (j + 1) * width]
                    w = noise["z"][i][j * ahead : (j + 1) * ahead]
                action = integrate(agent.actor.flow, torch.cat([s, g]), z).clamp(-1, 1)
                outcome = integrate(agent.dynamics, torch.cat([s, action]), w)
                score = agent.critic(torch.cat([outcome, g, action])[None]).item()
                best = max(best, (score, action.view(chunk, ACTION)), key=lambda pair: pair[0])
            assert torch.allclose(found[i], best[1], atol=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"chunk_length": 5}, "test.yaml: chunk_length: 5 exceeds outcome_length 4"),
        (
            {"value.loss": "squared", "value.corrected_critic": True},
            "test.yaml: value.corrected_critic: means nothing to loss: squared",
        ),
    ],
)
def test_impossible_values_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        resolved(**values)
