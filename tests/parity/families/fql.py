"""The agents of the FQL repository that have a flow: FQL and IFQL."""

from __future__ import annotations

from mac.components.part import flat

from . import register
from .base import Family
from .iql import IQL

SHARED = {
    "actor_hidden_dims": ("actor.hidden_dims",),
    "actor_layer_norm": ("actor.layer_norm",),
    "batch_size": ("batch_size",),
    "discount": ("discount",),
    "layer_norm": ("value.layer_norm",),
    "lr": ("optimiser.learning_rate",),
    "tau": ("value.polyak_rate",),
    "value_hidden_dims": ("value.hidden_dims",),
}


@register("fql")
class FQL(Family):
    modules = {
        "critic": ("agent", "critics.critic"),
        "target_critic": ("agent", "critics.target_critic"),
        "actor_bc_flow": ("agent", "teacher.flow"),
        "actor_onestep_flow": ("agent", "actor.onestep"),
    }
    options = {
        **SHARED,
        "alpha": ("distill_weight",),
        "flow_steps": ("actor.flow_steps",),
        "normalize_q_loss": ("normalise_q",),
        "q_agg": ("value.aggregation",),
    }
    only = {"encoder": None}
    draws = {key: (key, 2) for key in ("flow_x0", "flow_t", "next_z", "distill_z")}
    names = {"flow_loss": "bc_flow_loss", "actor_loss": "actor_own_loss"}

    def forward(self, case, agent, batch, noise):
        out = self.losses(agent, batch, noise)
        inputs = (batch.observations, batch.actor_goals, noise["distill_z"])
        return out | {
            # ours names the two policies' losses apart
            "actor_loss": out["actor_own_loss"] + out["bc_flow_loss"],
            "distill_target_actions": agent.teacher.targets(*inputs),
            "policy_actions_unclipped": agent.actor(*inputs),
        }

    def acting(self, case, agent):
        inputs = case.tests()
        draws = {t: case.draw(f"test_temp{t}_z", 2) for t in (0, 1)}
        return {
            f"test_actions_temperature{t}": flat(agent.act(*inputs, {"z": z}))
            for t, z in draws.items()
        }


@register("ifql")
class IFQL(IQL):
    modules = {
        **{name: place for name, place in IQL.modules.items() if name != "actor"},
        "actor_flow": ("agent", "policy.flow"),
    }
    options = {
        **SHARED,
        "expectile": ("expectile",),
        "flow_steps": ("actor.flow_steps",),
        "num_samples": ("evaluate.num_candidates",),
    }
    draws = {"flow_x0": ("flow_x0", 2), "flow_t": ("flow_t", 2)}
    names = {"flow_loss": "actor_loss"}
    settings, noise = Family.settings, Family.noise

    def acting(self, case, agent):
        observations, goals = case.tests()
        noise = {"z": case.draw("test_single_z", 2)[None]}
        return {"test_action_single": flat(agent.act(observations[:1], goals[:1], noise))[0]}
