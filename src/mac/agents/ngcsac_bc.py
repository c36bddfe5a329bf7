"""n-step GCSAC+BC: soft actor-critic on n-step backups towards goals, with imitation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from mac import components as c
from mac import losses
from mac.agents.base import Agent, register
from mac.agents.stages import whole
from mac.config.baselines import EnsembleConfig, SoftActorConfig, SubgoalConfig

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Draw, Loss, Noise, Part
    from mac.types import SubgoalBatch


class Config(SubgoalConfig):
    """Networks and the strength of the imitation."""

    value: EnsembleConfig = EnsembleConfig()
    actor: SoftActorConfig = SoftActorConfig()
    alpha: float = Field(0.1, ge=0.0, description="weight of imitation, in units of mean |Q|")


@register("ngcsac_bc")
class NStepGCSACBC(Agent):
    """n-step SAC with behaviour cloning in goal mode (algorithms.md 11)."""

    Config = Config
    modes = ("goal",)
    stages = (
        whole(
            *("value", "actor", "alpha", "subgoal_steps", "exact_success"),
            view="subgoals",
            networks={"value": (4, 12), "actor": (1, 4)},
        ),
    )
    acts_with = ("agent",)

    def build(self) -> Mapping[str, Part]:
        """Critics, a tanh-Gaussian policy and its temperature."""
        cfg, seen = self.config, (self.spaces.observation_dim, self.spaces.goal_dim)
        actions = self.spaces.action_dim
        self.critics = c.Critics((*seen, actions), cfg.value, self.init, cfg.value.members)
        self.policy = c.SoftActor(seen, actions, cfg.actor, self.init)
        modules = {"critics": self.critics, "policy": self.policy}
        return {"agent": c.Composite(modules, self.losses, self.noise)}

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise of the actions in the critics' target and in the policy's loss."""
        shape = (batch_size, self.spaces.action_dim)
        return {name: c.Draw(shape) for name in ("next_action_eps", "actor_eps")}

    def losses(self, batch: SubgoalBatch, noise: Noise) -> list[Loss]:
        """Critics, policy and temperature."""
        critic = self.critics.loss(batch, self.target(batch, noise))
        return [critic, *self.actor_losses(batch, noise)]

    def target(self, batch: SubgoalBatch, noise: Noise) -> Tensor:
        """R_k + gamma^k m Q(s_k, g, a') (B,), a' of the policy, in the range of returns."""
        following = (batch.next_observations, batch.value_goals)
        actions = self.policy.sample(noise["next_action_eps"], *following)
        values = self.critics.bootstrap(*following, actions)
        return losses.returns.within_goal_range(
            batch.rewards + batch.discounts * batch.masks * values,
            self.config.discount,
            negative=self.config.goals.negative,
        )

    def actor_losses(self, batch: SubgoalBatch, noise: Noise) -> list[Loss]:
        """L_pi + mean |q| L_BC, where q is the critics' mean raw output; L_lambda."""
        inputs = (batch.observations, batch.actor_goals)
        actions, log_prob = self.policy.actor.sample(noise["actor_eps"], *inputs)
        q = self.critics.critic(*inputs, actions).mean(0)
        sac_loss = self.policy.loss(log_prob, q)
        distances = (actions - c.flat(batch.actions)).square().sum(-1)
        bc_loss = self.config.alpha * distances.mean()
        scaled = bc_loss * q.abs().mean().detach()
        metrics = {"sac_loss": sac_loss, "bc_loss": bc_loss, "scaled_bc_loss": scaled}
        loss = c.Loss("actor_loss", sac_loss + scaled, [self.policy.actor], metrics)
        return [loss, self.policy.temperature_loss(log_prob)]

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """The policy's squashed mean."""
        return self.policy.act(observations, goals)
