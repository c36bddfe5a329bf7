"""LEQ: rollouts in an ensemble of Gaussians, with and without gradients."""

from __future__ import annotations

import torch

from mac.components.part import flat

from . import register
from .base import Family


def chosen(noise, members):
    """Noise (H, B, O) of the members (H, B) or (H, B, O) that were picked, of all: (H, E, B, O)."""
    members = members if members.ndim == 3 else members[..., None].expand(noise[:, 0].shape)
    return noise.gather(1, members[:, None])[:, 0]


class Ensemble(Family):
    """What the agents with Gaussian dynamics have in common."""

    modules = {
        "actor": ("agent", "actor"),
        "critic": ("agent", "critics.critic"),
        "dynamics": ("agent", "model.dynamics"),
        "reward": ("agent", "heads.reward"),
        "success": ("agent", "heads.success"),
        "target_critic": ("agent", "critics.target_critic"),
    }
    options = {
        "actor_hidden_dims": ("actor.hidden_dims",),
        "batch_size": ("batch_size",),
        "discount": ("discount",),
        "dynamics_hidden_dims": ("model.hidden_dims", "heads.hidden_dims"),
        "gc_negative": ("goals.negative",),
        "layer_norm": tuple(f"{s}.layer_norm" for s in ("model", "heads", "value", "actor")),
        "lr": ("optimiser.learning_rate",),
        "num_dynamics": ("model.members",),
        "rollout_steps": ("rollout_length",),
        "tanh_squash": ("actor.squash",),
        "tau": ("value.polyak_rate",),
        "value_hidden_dims": ("value.hidden_dims",),
    }

    def refused(self, original):
        if original["num_dynamics"] < 2:
            return "num_dynamics: found 1, of which the original samples rows; expected 2 or more"
        return super().refused(original)

    def distribution(self, agent, batch):
        mean, std = agent.model.distribution(batch.observations, batch.actions)
        log_prob = agent.model.log_prob(batch.next_observations, batch.observations, batch.actions)
        return {"dynamics_mean": mean, "dynamics_std": std, "dynamics_log_prob": log_prob}


@register("leq")
class LEQ(Ensemble):
    options = {
        **Ensemble.options,
        "expectile": ("expectile",),
        "lam": ("td_lambda",),
        "model_batch_ratio": ("model_ratio",),
        "num_repeat": ("rollouts",),
    }
    idle = frozenset({"value_loss"})
    names = {"critic_distance": "critic_reg_loss"}
    cancelling = {"actor_loss": "actor_loss_terms"}

    def refused(self, original):
        if original["num_repeat"] > 1 and original["_mode"] == "gc":
            return f"num_repeat: found {original['num_repeat']}, with which goals do not fit"
        return super().refused(original)

    def noise(self, case):
        critic = case.draw("critic_h*_dyn_eps", 3), case.draw("critic_h*_member", 1)
        actor = case.draw("actor_h*_dyn_eps", 4).squeeze(2), case.draw("actor_h*_member_per_dim", 2)
        return {
            "critic_eps": chosen(*critic),
            "critic_members": critic[1],
            "actor_eps": chosen(actor[0].transpose(1, 2), actor[1]),
            "actor_members": actor[1],
        }

    def forward(self, case, agent, batch, noise):
        out = self.losses(agent, batch, noise) | self.distribution(agent, batch)
        starts = agent.starts(batch.observations, batch.actor_goals)
        ahead, gradients = agent.outlook.gradients(
            *starts, (noise["actor_eps"], noise["actor_members"])
        )
        level = agent.config.expectile
        terms = max(level, 1 - level) * gradients * agent.policy(ahead.states, ahead.goals)
        return out | {"actor_loss_terms": terms.abs().mean(1).sum().detach()}

    def acting(self, case, agent):
        with torch.no_grad():
            return {"test_actions": flat(agent.act(*case.tests(), {}))}
