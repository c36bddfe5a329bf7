"""FQL: a one-step policy that climbs the critics and imitates a flow of the data's actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from mac import components as c
from mac import losses
from mac.agents.base import Agent, register
from mac.agents.stages import whole
from mac.config.baselines import BaselineConfig, FlowActorConfig, SquaredCriticConfig

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Draw, Loss, Noise, Part
    from mac.types import Batch


class Config(BaselineConfig):
    """Networks and what the policy is improved by."""

    value: SquaredCriticConfig = SquaredCriticConfig()
    actor: FlowActorConfig = FlowActorConfig()
    distill_weight: float = Field(10.0, ge=0.0, description="alpha, weight of the imitation loss")
    normalise_q: bool = Field(
        False, description="divide the critics' part of the loss by their mean |Q|; [F] False"
    )


@register("fql")
class FQL(Agent):
    """Flow Q-learning in reward mode (algorithms.md 13.4)."""

    Config = Config
    modes = ("reward",)
    stages = (
        whole(
            *("value", "actor", "distill_weight", "normalise_q"),
            view="steps",
            networks={"value": (4, 12), "actor": (2, 17)},
        ),
    )
    acts_with = ("agent",)

    def build(self) -> Mapping[str, Part]:
        """Two critics, a flow of the data's actions, a one-step policy."""
        cfg, spaces = self.config, self.spaces
        dims = (spaces.observation_dim, spaces.goal_dim, spaces.action_dim)
        shape, norm = (spaces, 1, cfg.actor.hidden_dims, self.init), cfg.actor.layer_norm
        self.critics = c.Critics(dims, cfg.value, self.init)
        self.teacher = c.behaviour.Flow(*shape, cfg.actor.flow_steps, layer_norm=norm)
        self.actor = c.OneStep(*shape, layer_norm=norm)
        modules = {"critics": self.critics, "teacher": self.teacher, "actor": self.actor}
        return {"agent": c.Composite(modules, self.losses, self.noise)}

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise of the next actions, and of the policy and its teacher."""
        draw = c.Draw((batch_size, self.spaces.action_dim))
        return {"next_z": draw, "distill_z": draw}

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """L_Q on r + gamma m Q(s', mu(s', z)), and FQL's loss of the policy."""
        cfg, critics, value_goals = self.config, self.critics, batch.value_goals
        following = (batch.next_observations, value_goals)
        chosen = c.flat(self.actor.sample(*following, noise["next_z"]))
        target = batch.rewards + cfg.discount * batch.masks * critics.bootstrap(*following, chosen)
        q = critics.critic(batch.observations, value_goals, c.flat(batch.actions))
        critic_loss = losses.regression.squared(q, target)
        inputs = (batch.observations, batch.actor_goals, noise["distill_z"])

        def score(actions: Tensor) -> Tensor:
            return critics.critic(*inputs[:2], actions).mean(0)  # however the target aggregates [F]

        return [
            c.Loss("critic_loss", critic_loss, [critics.critic], {"q_mean": q.mean()}),
            self.actor.improvement(
                self.teacher, score, inputs, cfg.distill_weight, normalise=cfg.normalise_q
            ),
        ]

    @property
    def act_noise(self) -> dict[str, tuple[int, ...]]:
        """One noise vector: the policy stays random when evaluated."""
        return {"z": (self.spaces.action_dim,)}

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """One sample of the one-step policy."""
        return self.actor.sample(observations, goals, noise["z"])
