"""ReBRAC, whose policy and targets move at every second update."""

from __future__ import annotations

import torch

from mac.components.part import flat
from mac.types import TransitionBatch

from . import register
from .base import Family
from .fql import SHARED


@register("rebrac")
class ReBRAC(Family):
    modules = {
        "critic": ("agent", "critics.critic"),
        "target_critic": ("agent", "critics.target_critic"),
        "actor": ("agent", "actor.network"),
        "target_actor": ("agent", "actor.target_network"),
    }
    options = {
        **SHARED,
        "actor_freq": ("actor_every",),
        "actor_noise": ("target_noise",),
        "actor_noise_clip": ("target_noise_clip",),
        "alpha_actor": ("alpha_actor",),
        "alpha_critic": ("alpha_critic",),
        "tanh_squash": ("actor.squash",),
    }
    only = {"encoder": None}
    batch_type = TransitionBatch
    draws = {"target_noise": ("target_noise", 2)}
    names = {"actor_loss": "actor_total_loss", "q_loss": "actor_loss"}
    gradients = {"grad": (), "grad_critic_only": ("actor",)}
    steps = (1, 2, 3)

    def batch(self, case, group="batch"):
        rows = case.group(group)["rewards"]
        return super().batch(case, group, continues=torch.ones_like(rows))

    def forward(self, case, agent, batch, noise):
        """The file's losses are those of an update in which the policy takes part."""
        agent.learner.updates.fill_(agent.learner.period - 1)
        inputs = (batch.observations, batch.actor_goals)
        following = (batch.next_observations, batch.value_goals)
        return self.losses(agent, batch, noise) | {
            "actor_mode": agent.actor.network.mode(*inputs),
            "target_actor_mode": agent.actor.target_network.mode(*following),
        }

    def acting(self, case, agent):
        observations, goals = case.tests()
        mode = agent.actor.network.mode(observations, goals)
        return {
            "test_actions_temperature0": flat(agent.act(observations, goals, {})),
            "test_actions_temperature1": agent.blurred(mode, case.draw("test_temp1_noise", 2)),
        }

    def differentiate(self, update, batch, noise, group):
        (part,) = update.parts
        part.period = 2  # whatever the option, one group has the policy and one has not
        part.updates.fill_(1 if group == "grad" else 0)
        super().differentiate(update, batch, noise, group)
