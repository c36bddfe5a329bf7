"""n-step GCSAC+BC and SHARSA, whose batches reach several steps ahead."""

from __future__ import annotations

from dataclasses import replace

from mac.components.part import flat
from mac.types import SubgoalBatch

from . import register
from .base import Family


class Subgoals(Family):
    options = {
        "actor_hidden_dims": ("actor.hidden_dims",),
        "batch_size": ("batch_size",),
        "discount": ("discount",),
        "gc_negative": ("goals.negative",),
        "layer_norm": ("value.layer_norm", "actor.layer_norm"),
        "lr": ("optimiser.learning_rate",),
        "q_agg": ("value.aggregation",),
        "subgoal_steps": ("subgoal_steps",),
        "tau": ("value.polyak_rate",),
        "value_hidden_dims": ("value.hidden_dims",),
        "value_loss": ("value.loss",),
    }
    batch_type = SubgoalBatch
    fields = {
        "high_actor_actions": "actor_subgoals",
        "high_actor_goals": "actor_goals",
        "high_value_actions": "value_subgoals",
        "high_value_goals": "value_goals",
        "high_value_masks": "masks",
        "high_value_next_observations": "next_observations",
        "high_value_rewards": "rewards",
        "high_value_subgoal_steps": "discounts",
        "low_actor_goals": "low_goals",
    }

    def batch(self, case, group="batch"):
        batch = super().batch(case, group)
        return replace(batch, discounts=case.original["discount"] ** batch.discounts)


@register("ngcsac_bc")
class NStepGCSACBC(Subgoals):
    modules = {
        "critic": ("agent", "critics.critic"),
        "target_critic": ("agent", "critics.target_critic"),
        "actor": ("agent", "policy.actor"),
        "lam": ("agent", "policy.temperature"),
    }
    options = {
        **Subgoals.options,
        "alpha": ("alpha",),
        "num_qs": ("value.members",),
        "state_dependent_std": ("actor.state_dependent_std",),
        "tanh_squash": ("actor.squash",),
        "target_entropy": ("actor.target_entropy",),
        "target_entropy_multiplier": ("actor.target_entropy_multiplier",),
    }
    draws = {name: (name, 2) for name in ("next_action_eps", "actor_eps")}
    names = {
        "actor_loss": "actor_total_loss",
        "sac_loss": "actor_loss",
        "temperature_loss": "lam_loss",
    }

    def forward(self, case, agent, batch, noise):
        out = self.losses(agent, batch, noise)
        mean, std = agent.policy.actor(batch.observations, batch.actor_goals)
        return out | {
            "actor_pretanh_mean": mean,
            "actor_pretanh_std": std,
            "actor_total_loss": out["actor_total_loss"] + out["lam_loss"],
        }

    def acting(self, case, agent):
        observations, goals = case.tests()
        noise = case.draw("test_temp1_eps", 2)
        sampled = agent.policy.actor.transform(noise, observations, goals)
        return {
            "test_actions_temperature0": flat(agent.act(observations, goals, {})),
            "test_actions_temperature1": sampled.clamp(-1.0, 1.0),
        }
