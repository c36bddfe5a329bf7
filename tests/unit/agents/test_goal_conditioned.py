"""What the numbers of the original do not show of the goal-conditioned baselines."""

from __future__ import annotations

import pytest
import torch

from mac.agents.base import agent_class
from mac.config.load import Layer, resolve
from mac.errors import ConfigError
from mac.nets.mlp import Init
from mac.types import Batch, Spaces

SMALL = {"mode": "goal", "value.hidden_dims": [8], "actor.hidden_dims": [8]}


def build(name, **values):
    cls = agent_class(name)
    layer = Layer.of("test", {"agent": name, **SMALL, **values})
    return cls(resolve([layer], cls.Config).config, Spaces(4, 3, 2), Init(0))


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_gciql_divides_by_more_than_zero():
    """Critics that say nothing yet: IQL's own normaliser has no margin."""
    agent = build("gciql", extraction="ddpg_bc")
    part = agent.parts["agent"]
    with torch.no_grad():
        for key, parameter in part.named_parameters():
            if "critic" in key:
                parameter.zero_()
    batch = Batch(
        observations=draw(5, 4),
        actions=draw(5, 1, 2),
        rewards=draw(5),
        masks=torch.ones(5),
        next_observations=draw(5, 4),
        value_goals=draw(5, 3),
        actor_goals=draw(5, 3),
    )
    losses = {loss.name: loss for loss in part.losses(batch, {})}
    assert losses["actor_loss"].metrics["q_loss"] == 0.0


@pytest.fixture
def sharsa():
    return build("sharsa", **{"evaluate.num_candidates": 6, "value.aggregation": "mean"})


def noise(rows):
    return {"subgoals": draw(rows, 6, 3, seed=1), "action": draw(rows, 2, seed=2)}


def test_sharsa_acts_on_the_lesser_critic_even_where_it_learns_from_the_mean(sharsa, monkeypatch):
    """The mean of these scores likes the fifth sub-goal best, their minimum the third."""
    scores = torch.tensor([[0.0, 1.0, 2.0, 1.0, 9.0, 1.0], [9.0, 1.0, 2.0, 1.0, 0.0, 1.0]])
    scores[0, 4] += 1.0
    monkeypatch.setattr(sharsa.critics.critic, "forward", lambda *inputs: scores[..., None])
    states, goals, draws = draw(1, 4), draw(1, 3), noise(1)
    subgoal = sharsa.high.transport(draws["subgoals"][:, 2], states, goals)
    action = sharsa.low.transport(draws["action"], states, subgoal).clamp(-1.0, 1.0)
    torch.testing.assert_close(sharsa.act(states, goals, draws)[:, 0], action)


def test_sharsa_acts_in_many_rows_as_in_each_alone(sharsa):
    states, goals, draws = draw(4, 4), draw(4, 3), noise(4)
    together = sharsa.act(states, goals, draws)
    for row in range(4):
        one = {key: array[row : row + 1] for key, array in draws.items()}
        alone = sharsa.act(states[row : row + 1], goals[row : row + 1], one)
        torch.testing.assert_close(together[row : row + 1], alone)


def test_an_expectile_of_logits_is_refused():
    assert build("sharsa", expectile=0.7).config.expectile == 0.7
    with pytest.raises(ConfigError, match=r"expectile.*means nothing to value\.loss: bce"):
        build("sharsa", **{"expectile": 0.7, "value.loss": "bce"})


@pytest.mark.parametrize(("chosen", "wanted"), [(None, -0.5), (0.3, 0.3)])
def test_target_entropy_is_per_coordinate_unless_given(chosen, wanted):
    own = {"actor.target_entropy": chosen, "actor.target_entropy_multiplier": 0.25}
    assert build("ngcsac_bc", **own).policy.target_entropy == wanted
