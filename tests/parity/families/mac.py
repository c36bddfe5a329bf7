"""MAC, its variants with other behaviours, and the dynamics alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from mac.agents.base import Agent
from mac.components.part import flat
from mac.losses.returns import lambda_returns
from mac.types import Batch

from . import register
from .base import Family, Tensors

if TYPE_CHECKING:
    from ..cases import Case

POLICIES = {"mac": "distilled_flow", "mac_gau": "gaussian", "mac_fql": "flow"}
FLOW = {"flow_x0": ("flow_x0", 2), "flow_t": ("flow_t", 2)}


@register("model_error")
class Dynamics(Family):
    """The dynamics, which all of these agents have; the original reads MAC's options."""

    modules = {"dynamics": ("model", "dynamics")}
    options = {
        "action_chunking": ("chunk_length",),
        "action_chunking_test": ("evaluate.execute_length",),
        "actor_hidden_dims": ("behaviour.hidden_dims",),
        "batch_size": ("batch_size",),
        "discount": ("discount",),
        "dynamics_hidden_dims": (
            *("model.hidden_dims", "heads.hidden_dims", "value.critic_hidden_dims"),
        ),
        "flow_steps": ("behaviour.flow_steps",),
        "gc_negative": ("goals.negative",),
        "lam": ("value.td_lambda",),
        "layer_norm": tuple(f"{s}.layer_norm" for s in ("model", "heads", "behaviour", "value")),
        "lr": ("optimiser.learning_rate",),
        "mean_tanh_squash": ("behaviour.squash_mean",),
        "num_samples_test": ("evaluate.num_candidates",),
        "num_samples_train": ("value.num_candidates",),
        "rollout_steps": ("value.rollout_length",),
        "state_dependent_std": ("behaviour.state_dependent_std",),
        "tanh_squash": ("behaviour.squash",),
        "target_network": ("value.target_network",),
        "tau": ("value.polyak_rate",),
        "value_hidden_dims": ("value.hidden_dims",),
        "value_loss": ("value.loss",),
    }
    # all but MAC ignore this option of theirs and roll out the batch
    fixed = {"value.rollout_batch_size": None}
    idle = frozenset(
        {
            *("gc_actor", "onestep_actor", "sarsa_backup", "model_backup", "rollout_critic"),
            *("rollout_value", "adv_normalization", "ent_coef", "bc_loss", "rollout_batch_size"),
        }
    )
    only = {"learn_success": False}

    def forward(self, case: Case, agent: Agent, batch: Batch, noise: Tensors) -> Tensors:
        """Losses and one prediction."""
        prediction = agent.parts["model"](batch.observations, batch.actions)
        return self.losses(agent, batch, noise) | {"dynamics_prediction": prediction}


class Expansion(Dynamics):
    """Values expanded in the model."""

    modules = {
        **Dynamics.modules,
        "success": ("heads", "success"),
        "reward": ("heads", "reward"),
        "value": ("value", "values.value"),
        "target_value": ("value", "values.target_value"),
        "critic": ("value", "values.critic"),
    }
    only = {"learn_success": True}
    decoded = ("values", "target_values", "target_next_values", "critic_prediction")
    acting_noise, acting_axes = "z", 2  # kind and axes of one step's noise

    def forward(self, case: Case, agent: Agent, batch: Batch, noise: Tensors) -> Tensors:
        """All of the expansion, and what the agent adds to it."""
        out = super().forward(case, agent, batch, noise)
        value, heads = agent.parts["value"], agent.parts["heads"]
        trajectory = value.imagine(batch, noise)
        actions = flat(trajectory.actions)
        states, following = trajectory.observations[:-1], trajectory.observations[1:]
        goals = trajectory.goals[:-1]
        out |= {"rollout_observations": states, "rollout_next_observations": following}
        out |= {"rollout_actions": actions}
        rewards, masks = heads(states, goals, trajectory.actions)
        out |= {"rollout_rewards": rewards, "rollout_masks": masks}
        out["success_logits"] = heads.success(states, goals, actions)
        out["reward_predictions"] = heads.reward(states, goals, actions)
        target = value.values.target_value if value.target_network else value.values.value
        out["target_values"] = target(states, goals)
        out["target_next_values"] = target(following, trajectory.goals[1:])
        next_values = value.head.decode(out["target_next_values"])
        out["returns"] = lambda_returns(
            rewards, masks, next_values, value.return_discount, value.td_lambda
        )
        out["values"] = value.values.value(states, goals)
        after = value.values.value(following[0], trajectory.goals[1])
        out["critic_target"] = rewards[0] + value.critic_discount * masks[0] * after
        out["critic_prediction"] = value.values.critic(states[0], goals[0], actions[0])
        return out | self.policy(agent, batch, noise, states, goals)

    def policy(
        self, agent: Agent, batch: Batch, noise: Tensors, states: torch.Tensor, goals: torch.Tensor
    ) -> Tensors:
        """Quantities of the behaviour and the acting rule, on imagined states (H, B, O)."""
        return {}

    def acting(self, case: Case, agent: Agent) -> Tensors:
        """The first actions, whole chunks, and an observation by itself."""
        observations, goals = case.tests()
        shape = case.original["_shapes"]
        first = case.original.get("action_chunking_test", 1) * shape["action_dim"]

        def act(purpose: str) -> torch.Tensor:
            z = self.acting_draw(case, purpose)
            return flat(agent.act(observations[: len(z)], goals[: len(z)], {"z": z}))

        return {
            "test_actions": act("batch")[:, :first],
            "test_actions_trainmode": act("full"),
            "test_action_single": act("single")[0, :first],
        }

    def acting_draw(self, case: Case, purpose: str) -> torch.Tensor:
        """Noise of an acting test, rows leading."""
        single = purpose == "single"
        z = case.draw(f"test_{purpose}_{self.acting_noise}", self.acting_axes - single)
        if single:
            return z[None]
        return z.transpose(0, 1) if self.acting_axes == 3 else z

    def readings(self, case: Case, name: str, value: torch.Tensor) -> list[torch.Tensor]:
        """Under bce the critic's target may be clipped as its loss does."""
        if case.original.get("value_loss") == "bce" and name == "critic_target":
            return [value, value.clamp(0.0, 1.0)]
        return super().readings(case, name, value)


class Rejection(Expansion):
    """The best of N candidates acts."""

    acting_axes = 3

    def policy(
        self, agent: Agent, batch: Batch, noise: Tensors, states: torch.Tensor, goals: torch.Tensor
    ) -> Tensors:
        """Candidates of every imagined step and their scores."""
        steps = zip(states, goals, noise["rollout_z"], strict=True)
        proposed = [agent.rejection.propose(*step) for step in steps]
        candidates, scores = (torch.stack(x) for x in zip(*proposed, strict=True))
        return {"rollout_candidate_actions": flat(candidates), "rollout_candidate_q": scores}


@register("mac")
class MAC(Rejection):
    """Candidates of a distilled flow."""

    modules = {
        **Rejection.modules,
        "actor_flow": ("behaviour", "teacher.flow"),
        "actor_onestep_flow": ("behaviour", "student.onestep"),
    }
    options = {**Rejection.options, "rollout_batch_size": ("value.rollout_batch_size",)}
    fixed = {"behaviour.policy": POLICIES["mac"]}
    only = {}
    draws = {**FLOW, "distill_z": ("distill_z", 2), "rollout_z": ("rollout_h*_z", 3)}

    def losses(self, agent: Agent, batch: Batch, noise: Tensors) -> Tensors:
        """The original calls the two losses of the behaviour together the actor's."""
        out = super().losses(agent, batch, noise)
        return out | {"actor_loss": out["flow_loss"] + out["distill_loss"]}

    def policy(
        self, agent: Agent, batch: Batch, noise: Tensors, states: torch.Tensor, goals: torch.Tensor
    ) -> Tensors:
        """Candidates, and what the one-step policy imitates."""
        inputs = (batch.observations, batch.actor_goals, noise["distill_z"])
        teacher = agent.parts["behaviour"].teacher.targets(*inputs)
        candidates = super().policy(agent, batch, noise, states, goals)
        return candidates | {"distill_target_actions": teacher}

    def acting(self, case: Case, agent: Agent) -> Tensors:
        """Actions, and the candidates from which they were chosen."""
        z = self.acting_draw(case, "batch").transpose(0, 1)
        candidates, scores = agent.rejection.propose(*case.tests(), z)
        proposed = {"test_candidate_actions": flat(candidates), "test_candidate_q": scores}
        return super().acting(case, agent) | proposed


@register("mac_gau")
class Gaussian(Rejection):
    """Candidates of a Gaussian."""

    modules = {**Rejection.modules, "actor": ("behaviour", "actor")}
    fixed = {**Rejection.fixed, "behaviour.policy": POLICIES["mac_gau"]}
    draws = {"rollout_z": ("rollout_h*_eps", 3)}
    names = {"bc_loss": "actor_loss"}
    acting_noise = "eps"


@register("mac_fql")
class FQL(Expansion):
    """A one-step policy, trained on the critic near a flow, acts."""

    modules = {
        **Expansion.modules,
        "actor_bc_flow": ("behaviour", "flow"),
        "actor_onestep_flow": ("value", "actor.onestep"),
    }
    options = {
        **Expansion.options,
        "alpha": ("distill_weight",),
        "dynamics_hidden_dims": ("model.hidden_dims", "heads.hidden_dims"),
        "value_hidden_dims": ("value.hidden_dims", "value.critic_hidden_dims"),
    }
    fixed = {**Expansion.fixed, "behaviour.policy": POLICIES["mac_fql"]}
    draws = {**FLOW, "distill_z": ("distill_z", 3), "rollout_z": ("rollout_h*_z", 2)}

    def policy(
        self, agent: Agent, batch: Batch, noise: Tensors, states: torch.Tensor, goals: torch.Tensor
    ) -> Tensors:
        """What the policy imitates, and its actions before clipping."""
        inputs = (states, goals, noise["distill_z"])
        teacher = agent.parts["behaviour"].targets(*inputs)
        actions = agent.parts["value"].actor(*inputs)
        return {"distill_target_actions": teacher, "actor_policy_actions": actions}
