"""A policy that is paid for its entropy, and the price that keeps it near a target (SAC)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mac.components.part import Loss
from mac.nets.gaussian import DiagonalGaussian
from mac.nets.mlp import Init

if TYPE_CHECKING:
    from mac.config.baselines import SoftActorConfig


class Temperature(nn.Module):
    """A positive scalar, 1 at first: the exponential of what is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.log_value = nn.Parameter(torch.zeros(()))

    def forward(self) -> Tensor:
        """The scalar."""
        return self.log_value.exp()


class SoftActor(nn.Module):
    """Gaussian policy of single actions, and its temperature.

    Args:
        in_dims: widths of what the policy sees.
        action_dim: width of an action.
        config: widths and shape of the policy, target entropy.
        init: source of the initial parameters.
    """

    def __init__(
        self, in_dims: tuple[int, ...], action_dim: int, config: SoftActorConfig, init: Init
    ) -> None:
        super().__init__()
        self.actor = DiagonalGaussian(
            in_dims,
            config.hidden_dims,
            action_dim,
            init.generator("actor"),
            layer_norm=config.layer_norm,
            squash=config.squash,
            state_dependent_std=config.state_dependent_std,
        )
        self.temperature = Temperature()
        automatic = -config.target_entropy_multiplier * action_dim
        chosen = config.target_entropy
        self.target_entropy = automatic if chosen is None else chosen

    @torch.no_grad()
    def sample(self, noise: Tensor, *inputs: Tensor) -> Tensor:
        """Actions (..., A) made of standard normal noise (..., A): constants."""
        return self.actor.transform(noise, *inputs)

    def act(self, observations: Tensor, goals: Tensor, noise: Tensor | None = None) -> Tensor:
        """Actions (..., 1, A), clipped: samples by noise (..., A), or else the squashed mean."""
        seen = (observations, goals)
        found = self.actor.mode(*seen) if noise is None else self.actor.transform(noise, *seen)
        return found.clamp(-1.0, 1.0)[..., None, :]

    def loss(self, log_prob: Tensor, scores: Tensor) -> Tensor:
        """Scalar mean(lambda log pi(a) - Q(a)) of the policy's actions, lambda constant.

        Args:
            log_prob: (B,), of actions that the policy sampled.
            scores: (B,), what the critics say of them.
        """
        return (self.temperature().detach() * log_prob - scores).mean()

    def temperature_loss(self, log_prob: Tensor) -> Loss:
        """Lambda times (entropy - target), the entropy -mean log pi(a) constant."""
        temperature, entropy = self.temperature(), -log_prob.mean().detach()
        return Loss(
            "temperature_loss",
            temperature * (entropy - self.target_entropy),
            [self.temperature],
            {"temperature": temperature, "entropy": entropy},
        )
