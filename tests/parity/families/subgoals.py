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


@register("sharsa")
class SHARSA(Subgoals):
    modules = {
        "high_critic": ("agent", "critics.critic"),
        "target_high_critic": ("agent", "critics.target_critic"),
        "high_value": ("agent", "value"),
        "high_actor_flow": ("agent", "high"),
        "low_actor_flow": ("agent", "low"),
    }
    options = {
        **Subgoals.options,
        "expectile": ("expectile",),
        "flow_steps": ("actor.flow_steps",),
        "num_samples": ("evaluate.num_candidates",),
    }
    idle = frozenset({"goal_dim"})
    draws = {
        f"{level}_flow_{x}": (f"{level}_flow_{x}", 2)
        for level in ("high", "low")
        for x in ("x0", "t")
    }
    names = {"high_flow_loss": "high_actor_actor_loss", "low_flow_loss": "low_actor_actor_loss"}

    def settings(self, original):
        """The original reads the expectile under squared losses alone."""
        if original["value_loss"] != "squared":
            original = {key: value for key, value in original.items() if key != "expectile"}
        return super().settings(original)

    def forward(self, case, agent, batch, noise):
        inputs = (batch.observations, batch.value_goals)
        return self.losses(agent, batch, noise) | {
            "high_critic_target": agent.target(batch),
            "high_value_logits": agent.baseline(*inputs),
            "target_high_critic_logits": agent.critics.target_critic(*inputs, batch.value_subgoals),
        }

    def acting(self, case, agent):
        observations, goals = (rows[:1] for rows in case.tests())
        noise = {
            "subgoals": case.draw("test_single_subgoal_z", 2)[None],
            "action": case.draw("test_single_action_z", 1)[None],
        }
        return {"test_action_single": agent.act(observations, goals, noise)[0, 0]}
