"""ReBRAC: a deterministic policy that climbs the critics, held near the data in both losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from mac import components as c
from mac import losses, nets
from mac.agents.base import Agent, register
from mac.agents.stages import whole
from mac.config.baselines import ActorConfig, BaselineConfig, SquaredCriticConfig
from mac.config.schema import Count

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Draw, Loss, Noise, Part
    from mac.types import TransitionBatch


class DeterministicConfig(ActorConfig):
    """Deterministic policy."""

    squash: bool = Field(True, description="an action is the tanh of the network's output [F]")


class Config(BaselineConfig):
    """Networks, the two penalties, and what slows and blurs the targets."""

    value: SquaredCriticConfig = SquaredCriticConfig()
    actor: DeterministicConfig = DeterministicConfig()
    alpha_actor: float = Field(0.0, ge=0.0, description="weight of imitation in the policy's loss")
    alpha_critic: float = Field(
        0.0, ge=0.0, description="penalty of next actions apart from the data's, in rewards"
    )
    actor_every: Count = Field(
        2, description="updates from one of policy and targets to the next [F]"
    )
    target_noise: float = Field(0.2, ge=0.0, description="std of the noise on next actions")
    target_noise_clip: float = Field(0.5, ge=0.0, description="its bound")
    corrected_next_action: bool = Field(
        False,
        description="[C] no penalty at the ends of trajectories, where the data's next action is "
        "another trajectory's first [F]",
    )


@register("rebrac")
class ReBRAC(Agent):
    """Behaviour-regularised actor-critic, revisited, in reward mode (algorithms.md 13.2)."""

    Config = Config
    modes = ("reward",)
    stages = (
        whole(
            *("value", "actor", "alpha_actor", "alpha_critic", "actor_every"),
            *("target_noise", "target_noise_clip", "corrected_next_action"),
            view="steps",
            networks={"value": (4, 14), "actor": (2, 4)},
        ),
    )
    acts_with = ("agent",)

    def build(self) -> Mapping[str, Part]:
        """Two critics and a policy, each with its target."""
        cfg, spaces = self.config, self.spaces
        seen = (spaces.observation_dim, spaces.goal_dim)
        self.critics = c.Critics((*seen, spaces.action_dim), cfg.value, self.init)
        actor = nets.DiagonalGaussian(
            seen,
            cfg.actor.hidden_dims,
            spaces.action_dim,
            self.init.generator("actor"),
            layer_norm=cfg.actor.layer_norm,
            squash=cfg.actor.squash,
            unit_std=True,  # nothing but the mode is used
        )
        self.actor = c.Tracked(actor, cfg.value.polyak_rate)
        modules = {"critics": self.critics, "actor": self.actor}
        self.learner = c.Delayed(cfg.actor_every, modules, self.losses, self.noise)
        return {"agent": self.learner}

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise on next actions."""
        return {"target_noise": c.Draw((batch_size, self.spaces.action_dim))}

    def blurred(self, actions: Tensor, noise: Tensor) -> Tensor:
        """Actions in [-1, 1] around given ones; all (B, A)."""
        bound = self.config.target_noise_clip
        shift = (self.config.target_noise * noise).clamp(-bound, bound)
        return (actions + shift).clamp(-1.0, 1.0)

    def losses(self, batch: TransitionBatch, noise: Noise) -> list[Loss]:
        """L_Q; L_pi where it is due."""
        return [self.critic_loss(batch, noise), self.actor_loss(batch)]

    def critic_loss(self, batch: TransitionBatch, noise: Noise) -> Loss:
        """Error against r + gamma m (min_e Q(s', a') - alpha_critic |a' - a_next|^2)."""
        cfg, critics, goals = self.config, self.critics, batch.value_goals
        following = (batch.next_observations, goals)
        mode = self.actor.target_network.mode(*following)
        chosen = self.blurred(mode, noise["target_noise"]).detach()
        distance = (chosen - batch.next_actions).square().sum(-1)
        if cfg.corrected_next_action:
            distance = distance * batch.continues
        bootstrap = critics.bootstrap(*following, chosen) - cfg.alpha_critic * distance
        target = batch.rewards + cfg.discount * batch.masks * bootstrap
        q = critics.critic(batch.observations, goals, c.flat(batch.actions))
        loss = losses.regression.squared(q, target)
        return c.Loss("critic_loss", loss, [critics.critic], {"q_mean": q.mean()})

    def actor_loss(self, batch: TransitionBatch) -> Loss:
        """-Q / |Q| + alpha_actor |pi(s) - a|^2, of the lesser critic; 0 where it is not due."""
        inputs, actor = (batch.observations, batch.actor_goals), self.actor.network
        actions = actor.mode(*inputs)
        q_loss = losses.policy.ascent(self.critics.score(*inputs, actions))
        distance = (actions - c.flat(batch.actions)).square().sum(-1)
        bc_loss = self.config.alpha_actor * distance.mean()
        loss = (q_loss + bc_loss) * self.learner.due().to(q_loss)
        return c.Loss("actor_loss", loss, [actor], {"q_loss": q_loss, "bc_loss": bc_loss})

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """The policy's mode, without noise."""
        return self.actor.network.mode(observations, goals).clamp(-1.0, 1.0)[:, None]
