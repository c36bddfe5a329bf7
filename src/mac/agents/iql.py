"""IQL: values by expectile regression on data alone, a policy by weighted imitation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from mac import components as c
from mac import losses, nets
from mac.agents.base import Agent, register
from mac.agents.stages import whole
from mac.config.baselines import ActorConfig, ImplicitConfig

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Draw, Loss, Noise, Part
    from mac.types import Batch


class GaussianConfig(ActorConfig):
    """Gaussian policy whose spread does not depend on the state."""

    unit_std: bool = Field(True, description="a spread of 1 [F]; one free vector otherwise")


class Config(ImplicitConfig):
    """Networks, expectile, and how the policy is drawn from the critics."""

    actor: GaussianConfig = GaussianConfig()
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
            variants=("actor.unit_std",),
        ),
    )
    acts_with = ("agent",)
    normaliser_margin = 0.0  # added to the mean |Q| by which the critics' gradient is divided

    def build(self) -> Mapping[str, Part]:
        """Two critics, a value, a Gaussian policy."""
        cfg, spaces = self.config, self.spaces
        self.values = c.Implicit(spaces, cfg.value, cfg.discount, cfg.expectile, self.init)
        self.actor = nets.DiagonalGaussian(
            (spaces.observation_dim, spaces.goal_dim),
            cfg.actor.hidden_dims,
            spaces.action_dim,
            self.init.generator("actor"),
            layer_norm=cfg.actor.layer_norm,
            squash=False,
            state_dependent_std=False,
            unit_std=cfg.actor.unit_std,
        )
        modules = {"values": self.values, "actor": self.actor}
        return {"agent": c.Composite(modules, self.losses, self.noise)}

    @property
    def samples(self) -> bool:
        """Whether the critics judge samples of the policy, not its mean."""
        return self.config.extraction == "ddpg_bc" and not self.config.actor.unit_std

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """What the policy's samples are made of."""
        shape = (batch_size, self.spaces.action_dim)
        return {"actor_eps": c.Draw(shape)} if self.samples else {}

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Imitation weighted by min(exp(alpha A), 100), or -Q / |Q| and imitation."""
        cfg, critics, inputs = (
            self.config,
            self.values.critics,
            (batch.observations, batch.actor_goals),
        )
        actions = c.flat(batch.actions)
        log_prob = self.actor.log_prob(actions, *inputs)
        if cfg.extraction == "awr":
            advantage = critics.score(*inputs, actions) - self.values.value(*inputs)
            weights = (cfg.alpha * advantage.detach()).exp().clamp(max=100.0)
            return [c.Loss("actor_loss", -(weights * log_prob).mean(), [self.actor])]
        if self.samples:
            chosen = self.actor.transform(noise["actor_eps"], *inputs)
        else:
            chosen = self.actor.mode(*inputs)
        scores = critics.score(*inputs, chosen.clamp(-1.0, 1.0))
        q_loss = losses.policy.ascent(scores, margin=self.normaliser_margin)
        bc_loss = -cfg.alpha * log_prob.mean()
        metrics = {"q_loss": q_loss, "bc_loss": bc_loss}
        return [c.Loss("actor_loss", q_loss + bc_loss, [self.actor], metrics)]

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """The policy's mean."""
        return self.actor.mode(observations, goals).clamp(-1.0, 1.0)[:, None]
