"""ReBRAC: what waits for the second update, and what is known of the next action."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from mac.agents.rebrac import Config, ReBRAC
from mac.components.delayed import Delayed
from mac.components.part import Loss
from mac.components.target import Tracked
from mac.config.schema import OptimiserConfig
from mac.nets.mlp import Init
from mac.training.update import Update, adam
from mac.types import Spaces, TransitionBatch

WIDTHS = {"hidden_dims": [8]}


def agent(**options):
    values = {"agent": "rebrac", "mode": "reward", "value": WIDTHS, "actor": WIDTHS, **options}
    return ReBRAC(Config.model_validate(values), Spaces(3, 0, 2), Init(0))


def rows(count=6):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(count, *shape, generator=generator)

    return TransitionBatch(
        observations=normal(3),
        actions=normal(1, 2).clamp(-0.9, 0.9),
        rewards=normal(),
        masks=torch.ones(count),
        next_observations=normal(3),
        value_goals=normal(0),
        actor_goals=normal(0),
        next_actions=normal(2).clamp(-0.9, 0.9),
        continues=(torch.arange(count) % 2).float(),
    )


@pytest.mark.parametrize("period", [1, 2, 3])
def test_momentum_alone_moves_a_policy_whose_turn_it_is_not(period):
    """One number, pulled by a constant gradient where it is due, by Adam's arithmetic."""
    tracked = Tracked(torch.nn.Linear(1, 1, bias=False), 0.5)
    with torch.no_grad():
        tracked.network.weight.fill_(1.0)
        tracked.target_network.weight.fill_(0.0)

    def losses(batch, noise):
        pull = 2.0 * tracked.network.weight.sum() * part.due()
        return [Loss("pull", pull, [tracked.network])]

    part = Delayed(period, {"tracked": tracked}, losses, lambda rows: {})
    update = Update([part], adam([part], OptimiserConfig(learning_rate=0.1)))
    number, target, first, second = 1.0, 0.0, 0.0, 0.0
    for step in range(1, 8):
        update(None, {})
        due = step % period == 0
        target = target + 0.5 * (number - target) if due else target
        gradient = 2.0 if due else 0.0
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        corrected = first / (1 - 0.9**step), second / (1 - 0.999**step)
        number -= 0.1 * corrected[0] / (corrected[1] ** 0.5 + 1e-8)
        assert tracked.network.weight.item() == pytest.approx(number, abs=1e-6)
        assert tracked.target_network.weight.item() == pytest.approx(target, abs=1e-6)


def test_the_count_is_part_of_the_state():
    one = agent(actor_every=3)
    part = one.parts["agent"]
    other = agent(actor_every=3).parts["agent"]
    part.follow()
    other.load_state_dict(part.state_dict())
    assert [part.due().item(), other.due().item()] == [0.0, 0.0]
    other.follow()
    assert other.due().item() == 1.0


def critic_loss(batch, **options):
    built = agent(alpha_critic=0.7, **options)
    noise = {"target_noise": torch.zeros(6, 2)}
    return built.critic_loss(batch, noise).value


def test_where_a_trajectory_ends_the_next_action_is_unknown():
    batch = rows()
    other = replace(batch, next_actions=-batch.next_actions)  # of all rows
    ends = batch.continues[:, None] == 0
    at_ends = replace(
        batch, next_actions=torch.where(ends, -batch.next_actions, batch.next_actions)
    )
    assert critic_loss(batch) != critic_loss(at_ends)
    corrected = {"corrected_next_action": True}
    assert critic_loss(batch, **corrected) == critic_loss(at_ends, **corrected)
    assert critic_loss(batch, **corrected) != critic_loss(other, **corrected)


def test_noise_on_next_actions_is_bounded_twice():
    built = agent(target_noise=0.2, target_noise_clip=0.5)
    actions = torch.tensor([[0.0, 0.9], [-0.8, 0.1]])
    noise = torch.tensor([[1.0, 10.0], [-10.0, -3.0]])
    expected = torch.tensor([[0.2, 1.0], [-1.0, -0.4]])
    assert torch.allclose(built.blurred(actions, noise), expected)


def test_a_skipped_update_changes_neither_policy_nor_targets():
    built = agent(alpha_actor=1.0)
    parts = list(built.parts.values())
    update = Update(parts, adam(parts, OptimiserConfig()))
    before = copy.deepcopy(parts[0].state_dict())
    update(rows(), {"target_noise": torch.zeros(6, 2)})
    after = parts[0].state_dict()
    for key, tensor in after.items():
        same = torch.equal(tensor, before[key])
        assert same == (not key.startswith("critics.critic.") and key != "updates"), key
