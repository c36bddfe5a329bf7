"""FMPC in both modes."""

from __future__ import annotations

from mac.components.part import flat
from mac.types import OutcomeBatch

from . import register
from .base import Family


@register("fmpc")
class FMPC(Family):
    modules = {
        "dynamics_flow": ("agent", "dynamics"),
        "actor_flow": ("agent", "actor.flow"),
        "value": ("agent", "value"),
        "critic": ("agent", "critic"),
    }
    options = {
        "action_chunking": ("outcome_length",),
        "action_chunking_actor": ("chunk_length",),
        "action_chunking_test": ("evaluate.execute_length",),
        "actor_hidden_dims": ("actor.hidden_dims",),
        "batch_size": ("batch_size",),
        "discount": ("discount",),
        "dynamics_hidden_dims": ("dynamics.hidden_dims",),
        "flow_steps": ("flow_steps",),
        "gc_negative": ("goals.negative",),
        "layer_norm": tuple(f"{name}.layer_norm" for name in ("actor", "dynamics", "value")),
        "lr": ("optimiser.learning_rate",),
        "num_samples": ("evaluate.num_candidates",),
        "value_hidden_dims": ("value.hidden_dims",),
        "value_loss": ("value.loss",),
    }
    fixed = {"independent_noise": True}  # the file holds both noises of the acting tests
    idle = frozenset({"lam", "next_ob_dim", "rollout_batch_size", "target_network", "tau"})
    only = {"chunk_next_obs": True, "return_to_go": True}
    batch_type = OutcomeBatch
    fields = {"next_observations": "outcomes"}
    draws = {
        "flow_x0": ("flow_x0", 2),
        "flow_t": ("flow_t", 2),
        "dynamics_x0": ("dyn_flow_x0", 2),
        "dynamics_t": ("dyn_flow_t", 2),
    }
    decoded = ("value_predictions", "critic_next_value", "critic_prediction")
    names = {"dynamics_loss": "dynamics_flow_loss", "flow_loss": "bc_actor_flow_loss"}

    def settings(self, original):
        found = super().settings(original)
        return found | {"chunk_length": self.chunk_length(original)}

    def chunk_length(self, original):
        """All actions of the chunk where none are said to be the actor's."""
        actor = original.get("action_chunking_actor", 0)
        return actor if actor > 0 else original["action_chunking"]

    def arrays(self, case, group):
        """The original stacks the states that follow."""
        data = super().arrays(case, group)
        length = case.original["action_chunking"]
        outcomes = data["outcomes"].unflatten(-1, (length, -1))
        return data | {"outcomes": outcomes, "next_observations": outcomes[:, -1]}

    def forward(self, case, agent, batch, noise):
        states, goals, actions = batch.observations, batch.value_goals, flat(batch.actions)
        return self.losses(agent, batch, noise) | {
            "value_predictions": agent.baseline(states, goals),
            "critic_next_value": agent.baseline(batch.next_observations, goals),
            "critic_prediction": agent.critic(flat(batch.outcomes), goals, actions),
        }

    def acting(self, case, agent):
        observations, goals = case.tests()
        executed = agent.config.evaluate.execute_length * case.original["_shapes"]["action_dim"]

        def act(purpose):
            single = purpose == "single"
            noise = {
                ours: case.draw(f"test_{purpose}_{theirs}_z", 3 - single)
                for ours, theirs in (("action_z", "action"), ("outcome_z", "dyn"))
            }
            rows = {n: z[None] if single else z.transpose(0, 1) for n, z in noise.items()}
            count = len(rows["action_z"])
            return flat(agent.act(observations[:count], goals[:count], rows))

        return {
            "test_actions": act("batch")[:, :executed],
            "test_actions_trainmode": act("full"),
            "test_action_single": act("single")[0, :executed],
        }
