"""What LEQ's critic learns from: data alone as released, imagined rows too as published."""

import numpy as np
import pytest
import torch

from mac.agents.base import agent_class
from mac.components.part import flat
from mac.nets.mlp import Init
from mac.types import Batch, Spaces

ROWS = 7
SMALL = {
    **{section: {"hidden_dims": [8]} for section in ("model", "heads", "value", "actor")},
    "rollout_length": 3,
    "expectile": 0.2,
    "discount": 0.9,
}


def build(**options):
    values = {"agent": "leq", "mode": "goal", **SMALL, **options}
    agent = agent_class("leq")(agent_class("leq").Config(**values), Spaces(3, 2, 2), Init(0))
    part = agent.parts["agent"].double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in part.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return agent


def inputs(agent):
    generator = np.random.default_rng(0)

    def normal(*shape):
        return torch.from_numpy(generator.standard_normal(shape))

    batch = Batch(
        observations=normal(ROWS, 3),
        actions=normal(ROWS, 1, 2).clamp(-1, 1),
        rewards=normal(ROWS),
        masks=(normal(ROWS) > 0).double(),
        next_observations=normal(ROWS, 3),
        value_goals=normal(ROWS, 2),
        actor_goals=normal(ROWS, 2),
    )
    source = torch.Generator().manual_seed(1)
    draws = agent.parts["agent"].noise(ROWS)
    noise = {name: draw.sample(source, torch.device("cpu")) for name, draw in draws.items()}
    return batch, {n: x.double() if x.is_floating_point() else x for n, x in noise.items()}


def written_out(agent, batch, noise, imagined_learns):
    """Gradient of the critic's loss, term by term; a copy of the critic stands for constants."""
    critic, target = agent.critics.critic, agent.critics.target_critic
    rho, level = agent.config.model_ratio, agent.config.expectile
    with torch.no_grad():
        following = batch.next_observations, batch.value_goals
        value = critic(*following, flat(agent.policy(*following)))
        label = batch.rewards + 0.9 * batch.masks * value
        ahead = agent.outlook(
            batch.observations, batch.value_goals, (noise["critic_eps"], noise["critic_members"])
        )
    taken = batch.observations, batch.value_goals, flat(batch.actions)
    q = critic(*taken)
    loss = (1 - rho) * (0.5 * (label - q) ** 2).mean()
    loss = loss + (1 - rho) * ((target(*taken).detach() - q) ** 2).mean()
    if imagined_learns:
        rows = ahead.states[:-1], ahead.goals[:-1], flat(ahead.actions[:-1])
        for h, (states, goals, actions) in enumerate(zip(*rows, strict=True)):
            predicted = critic(states, goals, actions)
            weight = ahead.alive[h] * 0.9**h / agent.config.rollout_length
            above = (ahead.returns[h] > predicted).double()
            asymmetry = above * level + (1 - above) * (1 - level)
            loss = loss + rho * (weight * asymmetry * (ahead.returns[h] - predicted) ** 2).mean()
            distance = (target(states, goals, actions).detach() - predicted) ** 2
            loss = loss + rho * (weight * distance).mean()
    return torch.autograd.grad(loss, list(critic.parameters()))


@pytest.mark.parametrize("corrected", [False, True])
def test_the_critic_learns_from_imagined_rows_only_where_corrected(corrected):
    agent = build(corrected_critic=corrected)
    batch, noise = inputs(agent)
    loss = agent.critic_loss(batch, noise)
    found = torch.autograd.grad(loss.value, list(agent.critics.critic.parameters()))
    expected = written_out(agent, batch, noise, corrected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_the_correction_changes_no_value():
    released, published = build(), build(corrected_critic=True)
    batch, noise = inputs(released)
    values = [agent.critic_loss(batch, noise).value for agent in (released, published)]
    torch.testing.assert_close(*values)


def test_leq_fixed_is_leq_with_the_correction():
    from mac.planning.files import AgentFile, find, read_config

    path = find("agents", "leq_fixed")
    assert read_config(path, AgentFile).set == {"corrected_critic": True}


@pytest.mark.parametrize(("corrected", "axes"), [(False, 3), (True, 2)])
def test_members_of_the_policys_rollouts(corrected, axes):
    agent = build(corrected_members=corrected, rollouts=2)
    draws = agent.parts["agent"].noise(ROWS)
    assert draws["actor_members"].shape == (3, 2 * ROWS, 3)[:axes]
    assert draws["critic_members"].shape == (3, 2 * ROWS)


def test_several_rollouts_start_from_each_row():
    agent = build(rollouts=2)
    batch, noise = inputs(agent)
    assert agent.starts(batch.observations)[0].shape == (2 * ROWS, 3)
    assert torch.isfinite(agent.critic_loss(batch, noise).value)
    assert torch.isfinite(agent.actor_loss(batch, noise).value)
