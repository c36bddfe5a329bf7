"""IQL: values by expectile regression on data alone, a policy by weighted imitation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from mac import components as c
from mac import losses, nets
from mac.agents.base import Agent, register
from mac.agents.stages import whole
from mac.config.schema import ActorConfig, BaselineConfig, CriticConfig

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Loss, Noise, Part
    from mac.types import Batch


class Config(BaselineConfig):
    """Networks, expectile, and how the policy is drawn from the critics."""

    value: CriticConfig = CriticConfig()
    actor: ActorConfig = ActorConfig()
    expectile: float = Field(0.9, gt=0.0, lt=1.0, description="kappa, of the value regression")
    extraction: Literal["awr", "ddpg_bc"] = Field(
        "awr", description="advantage-weighted regression, or the critics' gradient and imitation"
    )
    alpha: float = Field(10.0, ge=0.0, description="inverse temperature, or weight of imitation")


@register("iql")
class IQL(Agent):
    """Implicit Q-learning in reward mode (algorithms.md 13.1)."""

    Config = Config
    modes = ("reward",)
    stages = (
        whole(
            *("value", "actor", "expectile", "extraction", "alpha"),
            view="steps",
            networks={"value": (5, 14), "actor": (1, 3)},
        ),
    )
    acts_with = ("agent",)
    normaliser_margin = 0.0  # added to the mean |Q| by which the critics' gradient is divided

    def build(self) -> Mapping[str, Part]:
        """Two critics, a value, a Gaussian policy of unit spread."""
        cfg, seen = self.config, (self.spaces.observation_dim, self.spaces.goal_dim)
        self.critics = c.Critics((*seen, self.spaces.action_dim), cfg.value, self.init)
        self.baseline = nets.Scalar(
            seen,
            cfg.value.hidden_dims,
            self.init.generator("value"),
            layer_norm=cfg.value.layer_norm,
        )
        self.actor = nets.DiagonalGaussian(
            seen,
            cfg.actor.hidden_dims,
            self.spaces.action_dim,
            self.init.generator("actor"),
            layer_norm=cfg.actor.layer_norm,
            squash=False,
            unit_std=True,
        )
        modules = {"critics": self.critics, "value": self.baseline, "actor": self.actor}
        return {"agent": c.Composite(modules, self.losses)}

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Value, critics and policy."""
        return [*self.value_losses(batch), self.actor_loss(batch)]

    def value_losses(self, batch: Batch) -> list[Loss]:
        """L_V, expectile regression on the lesser target critic; L_Q, on r + gamma m V(s')."""
        cfg, critics = self.config, self.critics
        states, goals, actions = batch.observations, batch.value_goals, c.flat(batch.actions)
        scores = critics.aggregate(critics.target_critic(states, goals, actions)).detach()
        values = self.baseline(states, goals)
        value_loss = losses.regression.expectile(values, scores, cfg.expectile)
        following = self.baseline(batch.next_observations, goals).detach()
        target = batch.rewards + cfg.discount * batch.masks * following
        q = critics.critic(states, goals, actions)
        critic_loss = (q - target).square().sum(0).mean()
        return [
            c.Loss("value_loss", value_loss, [self.baseline], {"value_mean": values.mean()}),
            c.Loss("critic_loss", critic_loss, [critics.critic], {"q_mean": q.mean()}),
        ]

    def actor_loss(self, batch: Batch) -> Loss:
        """Imitation weighted by min(exp(alpha A), 100), or -Q / |Q| and imitation."""
        cfg, critics = self.config, self.critics
        states, goals, actions = batch.observations, batch.actor_goals, c.flat(batch.actions)
        log_prob = self.actor.log_prob(actions, states, goals)
        if cfg.extraction == "awr":
            advantage = critics.aggregate(critics.critic(states, goals, actions))
            advantage = (advantage - self.baseline(states, goals)).detach()
            weights = (cfg.alpha * advantage).exp().clamp(max=100.0)
            return c.Loss("actor_loss", -(weights * log_prob).mean(), [self.actor])
        chosen = self.actor.mode(states, goals).clamp(-1.0, 1.0)
        q = critics.aggregate(critics.critic(states, goals, chosen))
        q_loss = -q.mean() / (q.abs().mean() + self.normaliser_margin).detach()
        bc_loss = -cfg.alpha * log_prob.mean()
        metrics = {"q_loss": q_loss, "bc_loss": bc_loss}
        return c.Loss("actor_loss", q_loss + bc_loss, [self.actor], metrics)

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """The policy's mean."""
        return self.actor.mode(observations, goals).clamp(-1.0, 1.0)[:, None]
