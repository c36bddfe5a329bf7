"""MOPO and MOBILE: imagined rows beside real ones, and the rollouts that make them."""

from __future__ import annotations

import torch

from mac.components.imagined import Rollouts
from mac.components.part import flat

from . import register
from .leq import Ensemble, chosen


@register("mopo")
class MOPO(Ensemble):
    modules = {
        **Ensemble.modules,
        "actor": ("agent", "policy.actor"),
        "lam": ("agent", "policy.temperature"),
    }
    options = {
        **Ensemble.options,
        "beta": ("beta",),
        "num_qs": ("value.members",),
        "q_agg": ("value.aggregation",),
        "rollout_steps": ("imagined.rollout_length",),
        "state_dependent_std": ("actor.state_dependent_std",),
        "target_entropy": ("actor.target_entropy",),
        "target_entropy_multiplier": ("actor.target_entropy_multiplier",),
        "value_loss": ("value.loss",),
    }
    # the original never reads whether targets are used, nor MOPO the samples
    idle = frozenset({"target_network", "num_samples"})
    draws = {name: (name, 2) for name in ("next_action_eps", "actor_eps")}
    names = {"temperature_loss": "lam_loss"}

    def refused(self, original):
        if original["num_qs"] < 2:
            return "num_qs: found 1, with which the original takes the least of all rows"
        return super().refused(original)

    def noise(self, case):
        """The file's imagined rows are the first that the agent keeps."""
        rows = len(case.group("fake_batch")["observations"])
        return super().noise(case) | {"imagined_rows": torch.arange(rows, device=case.device)}

    def prepare(self, case, agent):
        """Has the agent keep the file's imagined rows: first steps of as many rollouts."""
        rows = self.batch(case, "fake_batch")
        states = torch.stack([rows.observations, rows.next_observations])
        told = (rows.actions[None], rows.rewards[None], rows.masks[None])
        kept = Rollouts(states, *told, rows.value_goals[None], rows.actor_goals[None])
        agent.imagined.kept = kept.map(lambda array: array[None])

    def forward(self, case, agent, batch, noise):
        out = self.losses(agent, batch, noise) | self.distribution(agent, batch)
        rows, penalty = agent.joined(batch, noise)
        out |= {"penalty": penalty, "combined_rewards": rows.rewards}
        out["actor_total_loss"] = out["actor_loss"] + out["lam_loss"]
        return out | self.rollouts(case, agent, batch)

    def rollouts(self, case, agent, batch):
        """Rollouts from the real states, flattened step by step, where the file has them."""
        if "out/mb_rollout_actions" not in case.arrays:
            return {}
        members = case.draw("mb_h*_member", 1)
        noise = {
            "action_eps": case.draw("mb_h*_action_eps", 2),
            "dynamics_eps": chosen(case.draw("mb_h*_dyn_eps", 3), members),
            "members": members,
        }
        found = agent.imagined.rollouts(batch, noise)
        steps = len(members)
        arrays = {
            "observations": found.observations[:-1],
            "next_observations": found.observations[1:],
            "actions": flat(found.actions),
            "rewards": found.rewards,
            "masks": found.masks,
            "value_goals": found.value_goals.expand(steps, -1, -1),
            "actor_goals": found.actor_goals.expand(steps, -1, -1),
        }
        return {f"mb_rollout_{name}": array.flatten(0, 1) for name, array in arrays.items()}

    def acting(self, case, agent):
        observations, goals = case.tests()
        noise = case.draw("test_temp1_eps", 2)
        return {
            "test_actions_temperature0": flat(agent.act(observations, goals, {})),
            "test_actions_temperature1": flat(agent.policy.act(observations, goals, noise)),
        }


@register("mobile")
class MOBILE(MOPO):
    options = {**MOPO.options, "num_samples": ("num_samples",)}
    idle = frozenset({"target_network"})
    draws = {
        **MOPO.draws,
        "penalty_action_eps": ("penalty_action_eps", 4),
        "penalty_dynamics_eps": ("penalty_dyn_eps", 4),
    }
