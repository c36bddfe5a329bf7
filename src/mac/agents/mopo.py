"""MOPO: soft actor-critic on real and imagined transitions, the latter paying for uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from mac import components as c
from mac import losses
from mac.agents.base import Agent, register
from mac.agents.stages import make_heads, whole
from mac.config.baselines import (
    BaselineConfig,
    EnsembleConfig,
    GaussianEnsembleConfig,
    ImaginedConfig,
    SoftActorConfig,
)
from mac.config.schema import NetworkConfig

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Draw, Loss, Noise, Part
    from mac.types import Batch

SECTIONS = ("model", "heads", "value", "actor", "imagined", "beta")


class Config(BaselineConfig):
    """Networks, imagined transitions, and what uncertainty costs."""

    model: GaussianEnsembleConfig = GaussianEnsembleConfig()
    heads: NetworkConfig = NetworkConfig()
    value: EnsembleConfig = EnsembleConfig()
    actor: SoftActorConfig = SoftActorConfig()
    imagined: ImaginedConfig = ImaginedConfig()
    beta: float = Field(
        0.003, ge=0.0, description="penalty of imagined rewards, for each unit of uncertainty"
    )


@register("mopo")
class MOPO(Agent):
    """Model-based offline policy optimisation (algorithms.md 5, 6)."""

    Config = Config
    # of rows of the real batch, as many imagined ones, and a refresh's share of each update
    stages = (
        whole(
            *SECTIONS,
            view="transitions",
            networks={"model": (7, 31), "heads": (2, 7), "value": (4, 24), "actor": (1, 9)},
        ),
    )
    acts_with = ("agent",)

    def build(self) -> Mapping[str, Part]:
        """Gaussian dynamics, outcome heads, critics, a soft policy, a buffer of rollouts."""
        cfg, seen = self.config, (self.spaces.observation_dim, self.spaces.goal_dim)
        actions = self.spaces.action_dim
        self.model = c.GaussianEnsemble(self.spaces, cfg.model, self.init)
        self.heads = make_heads(self.spaces, cfg, self.init)
        self.critics = c.Critics((*seen, actions), cfg.value, self.init, cfg.value.members)
        self.policy = c.SoftActor(seen, actions, cfg.actor, self.init)
        self.imagined = c.ModelBuffer(
            self.spaces, cfg.imagined, self.model, self.heads, self.policy.act
        )
        modules = {"model": self.model, "heads": self.heads, "critics": self.critics}
        modules |= {"policy": self.policy, "imagined": self.imagined}
        return {"agent": c.Composite(modules, self.losses, self.noise)}

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise of the actions in the critics' target and in the policy's loss."""
        shape = (batch_size + self.config.imagined.batch_size, self.spaces.action_dim)
        return {name: c.Draw(shape) for name in ("next_action_eps", "actor_eps")}

    def penalty(self, imagined: Batch, noise: Noise) -> Tensor:
        """Penalties u (B,) = max_e |std_e(s, a)|: the norm of the most uncertain model's spread."""
        _, stds = self.model.distribution(imagined.observations, imagined.actions)
        return stds.norm(dim=-1).amax(0)

    def joined(self, batch: Batch, noise: Noise) -> tuple[Batch, Tensor]:
        """Real rows and imagined ones, whose rewards pay beta u; and u (B,), by present models."""
        return self.imagined.join(batch, noise, self.penalty, self.config.beta)

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Critics, policy and temperature, on real and imagined rows."""
        rows, penalty = self.joined(batch, noise)
        critic = self.critics.loss(rows, self.target(rows, noise))
        metrics = {**critic.metrics, "penalty": penalty.mean()}
        return [replace(critic, metrics=metrics), *self.actor_losses(rows, noise)]

    def target(self, batch: Batch, noise: Noise) -> Tensor:
        """Targets y (B,) = r + gamma m Q(s', a') of the policy's a', without entropy.

        With goals they are clipped to what returns can be; task rewards have no such bounds.
        """
        cfg, following = self.config, (batch.next_observations, batch.value_goals)
        actions = self.policy.actor.transform(noise["next_action_eps"], *following).detach()
        values = self.critics.bootstrap(*following, actions)
        target = batch.rewards + cfg.discount * batch.masks * values
        if not self.spaces.goal_dim:
            return target
        negative = cfg.goals.negative
        return losses.returns.within_goal_range(target, cfg.discount, negative=negative)

    def actor_losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """L_pi = mean(lambda log pi(a) - q), where q is the critics' mean raw output; L_lambda."""
        inputs = (batch.observations, batch.actor_goals)
        actions, log_prob = self.policy.actor.sample(noise["actor_eps"], *inputs)
        q = self.critics.critic(*inputs, actions).mean(0)
        loss = c.Loss("actor_loss", self.policy.loss(log_prob, q), [self.policy.actor])
        return [loss, self.policy.temperature_loss(log_prob)]

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """The policy's squashed mean."""
        return self.policy.act(observations, goals)
