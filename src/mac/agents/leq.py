"""LEQ: a critic and a policy trained on lower expectiles of imagined returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from mac import components as c
from mac import losses, nets
from mac.agents.base import Agent, register
from mac.agents.stages import whole
from mac.config.baselines import ActorConfig, BaselineConfig, FollowedConfig, GaussianEnsembleConfig
from mac.config.schema import Count, Fraction, NetworkConfig

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Draw, Loss, Noise, Part
    from mac.types import Batch


class PolicyConfig(ActorConfig):
    """Deterministic policy."""

    squash: bool = Field(True, description="an action is the tanh of the output [F]")


class Config(BaselineConfig):
    """Networks, rollouts, how low the expectile is, and the corrected variants."""

    model: GaussianEnsembleConfig = GaussianEnsembleConfig()
    heads: NetworkConfig = NetworkConfig()
    value: FollowedConfig = FollowedConfig()
    actor: PolicyConfig = PolicyConfig()
    rollout_length: Count = Field(10, description="H, imagined steps")
    rollouts: Count = Field(1, description="R, from each state of the batch")
    td_lambda: Fraction = Field(1.0, description="lambda of the returns")
    expectile: float = Field(0.5, gt=0.0, lt=1.0, description="epsilon, of imagined returns")
    model_ratio: Fraction = Field(0.95, description="rho, weight of imagined rows for the critic")
    corrected_critic: bool = Field(
        False,
        description="[C] the critic learns from imagined rows, as published; [F] their predictions "
        "are constants",
    )
    corrected_members: bool = Field(
        False,
        description="[C] the policy's rollouts pick a model for each row; [F] for each coordinate",
    )


@register("leq")
class LEQ(Agent):
    """Lower expectile Q-learning (algorithms.md 8)."""

    Config = Config
    stages = (
        whole(
            *("model", "heads", "value", "actor", "rollout_length", "rollouts", "td_lambda"),
            *("expectile", "model_ratio", "corrected_critic", "corrected_members"),
            view="transitions",
            # at H = 10: both rollouts, one of them with its gradient, and the batch itself
            networks={"model": (7, 231), "heads": (2, 56), "value": (2, 48), "actor": (1, 66)},
        ),
    )
    acts_with = ("agent",)

    def build(self) -> Mapping[str, Part]:
        """Gaussian dynamics, outcome heads, one critic, a deterministic policy."""
        cfg, seen = self.config, (self.spaces.observation_dim, self.spaces.goal_dim)
        actions = self.spaces.action_dim
        self.model = c.GaussianEnsemble(self.spaces, cfg.model, self.init)
        # imagined rewards are -1 until success whatever the data's are [F]
        self.heads = c.Outcome(
            self.spaces, 1, cfg.heads.hidden_dims, self.init, layer_norm=cfg.heads.layer_norm
        )
        self.critics = c.Critic((*seen, actions), cfg.value, self.init)
        self.actor = nets.DiagonalGaussian(
            seen,
            cfg.actor.hidden_dims,
            actions,
            self.init.generator("actor"),
            layer_norm=cfg.actor.layer_norm,
            squash=cfg.actor.squash,
            unit_std=True,
        )
        self.outlook = c.Outlook(
            self.model,
            self.heads,
            self.policy,
            self.critics.critic,
            action_dim=actions,
            rollout_length=cfg.rollout_length,
            discount=cfg.discount,
            td_lambda=cfg.td_lambda,
        )
        modules = {"model": self.model, "heads": self.heads, "critics": self.critics}
        modules["actor"] = self.actor
        return {"agent": c.Composite(modules, self.losses, self.noise)}

    def policy(self, observations: Tensor, goals: Tensor) -> Tensor:
        """Actions (..., 1, A), not clipped."""
        return self.actor.mode(observations, goals)[..., None, :]

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise of the model in the critic's rollouts and in the policy's."""
        size = (self.config.rollout_length, batch_size * self.config.rollouts)
        by_coordinate = not self.config.corrected_members
        critic = self.model.draws(*size)
        actor = self.model.draws(*size, by_coordinate=by_coordinate)
        names = ("critic_eps", "critic_members", "actor_eps", "actor_members")
        return dict(zip(names, (*critic, *actor), strict=True))

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Critic and policy."""
        return [self.critic_loss(batch, noise), self.actor_loss(batch, noise)]

    def starts(self, *arrays: Tensor) -> list[Tensor]:
        """Rows (B R, ...) from which rollouts start, of arrays (B, ...)."""
        return [array.repeat_interleave(self.config.rollouts, 0) for array in arrays]

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """L_Q = (1 - rho) (L_data + R_data) + rho (L_model + R_model).

        L_data is half the squared error of r + gamma m Q(s', pi(s')), L_model the expectile error
        of the imagined returns, R the squared distance to the target critic; imagined rows are
        weighted by survival and discount.
        """
        cfg, critic, rho = self.config, self.critics.critic, self.config.model_ratio
        states, goals = batch.observations, batch.value_goals
        ahead = self.outlook(
            *self.starts(states, goals), (noise["critic_eps"], noise["critic_members"])
        )
        following = (batch.next_observations, goals)
        values = critic(*following, c.flat(self.policy(*following)))
        target = (batch.rewards + cfg.discount * batch.masks * values).detach()

        taken = (states, goals, c.flat(batch.actions))
        q = critic(*taken)
        data_loss = losses.regression.expectile(q, target, 0.5)
        data_distance = losses.regression.squared(self.critics.target_critic(*taken), q)

        imagined = (ahead.states[:-1], ahead.goals[:-1], c.flat(ahead.actions[:-1]))
        predicted = critic(*imagined) if cfg.corrected_critic else ahead.values[:-1]
        weights = self.outlook.weights(ahead)
        errors = losses.regression.expectile_errors(predicted, ahead.returns[:-1], cfg.expectile)
        model_loss = (weights * errors).mean()
        distances = (self.critics.target_critic(*imagined) - predicted).square()
        distance = rho * (weights * distances).mean() + (1.0 - rho) * data_distance
        metrics = {
            "critic_data_loss": data_loss,
            "critic_model_loss": model_loss,
            "critic_distance": distance,
            "q_mean": q.mean(),
            "return_mean": ahead.returns.mean(),
        }
        loss = (1.0 - rho) * data_loss + rho * model_loss + distance
        return c.Loss("critic_loss", loss, [critic], metrics)

    def actor_loss(self, batch: Batch, noise: Noise) -> Loss:
        """L_pi = -sum_h mean_b w_h (dG_h / da_h) . pi(s_h), w_h by the expectile, 1/2 at the end.

        States, gradients and weights are constants: the deterministic policy gradient of G_h.
        """
        ahead, gradients = self.outlook.gradients(
            *self.starts(batch.observations, batch.actor_goals),
            (noise["actor_eps"], noise["actor_members"]),
        )
        weights = losses.regression.expectile_weights(
            ahead.values, ahead.returns, self.config.expectile
        )
        weights[-1] = 0.5
        chosen = self.policy(ahead.states, ahead.goals)
        loss = -(weights[..., None, None] * gradients * chosen).mean(1).sum()
        return c.Loss("actor_loss", loss, [self.actor], {"action_size": chosen.abs().mean()})

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """The policy's actions, clipped."""
        return self.policy(observations, goals).clamp(-1.0, 1.0)
