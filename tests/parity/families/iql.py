"""IQL with and without goals."""

from __future__ import annotations

from mac.components.part import flat

from . import register
from .base import Family


@register("iql")
class IQL(Family):
    modules = {
        "critic": ("agent", "values.critics.critic"),
        "target_critic": ("agent", "values.critics.target_critic"),
        "value": ("agent", "values.value"),
        "actor": ("agent", "actor"),
    }
    options = {
        "actor_hidden_dims": ("actor.hidden_dims",),
        "actor_layer_norm": ("actor.layer_norm",),
        "actor_loss": ("extraction",),
        "alpha": ("alpha",),
        "batch_size": ("batch_size",),
        "const_std": ("actor.unit_std",),
        "discount": ("discount",),
        "expectile": ("expectile",),
        "layer_norm": ("value.layer_norm",),
        "lr": ("optimiser.learning_rate",),
        "tau": ("value.polyak_rate",),
        "value_hidden_dims": ("value.hidden_dims",),
    }
    only = {"encoder": None}

    def settings(self, original):
        extraction = original["actor_loss"].replace("ddpgbc", "ddpg_bc")
        return super().settings(original) | {"extraction": extraction}

    def noise(self, case):
        sampled = case.original["actor_loss"] == "ddpgbc" and not case.original["const_std"]
        return {"actor_eps": case.draw("actor_eps", 2)} if sampled else {}

    def forward(self, case, agent, batch, noise):
        states, goals, values = batch.observations, batch.value_goals, agent.values
        following = values.value(batch.next_observations, goals)
        return self.losses(agent, batch, noise) | {
            "target_critic": values.critics.target_critic(states, goals, flat(batch.actions)),
            "value_predictions": values.value(states, goals),
            "critic_target": batch.rewards + agent.config.discount * batch.masks * following,
        }

    def acting(self, case, agent):
        observations, goals = case.tests()
        sampled = agent.actor.transform(case.draw("test_temp1_eps", 2), observations, goals)
        return {
            "test_actions_temperature0": flat(agent.act(observations, goals, {})),
            "test_actions_temperature1": sampled.clamp(-1.0, 1.0),
        }


@register("gciql")
class GCIQL(IQL):
    options = {
        **{key: ours for key, ours in IQL.options.items() if key != "actor_layer_norm"},
        "gc_negative": ("goals.negative",),
        "layer_norm": ("value.layer_norm", "actor.layer_norm"),
    }

    def forward(self, case, agent, batch, noise):
        mean = agent.actor.mode(batch.observations, batch.actor_goals)
        return super().forward(case, agent, batch, noise) | {"actor_mean": mean}
