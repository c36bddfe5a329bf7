"""Critics of single actions, one or an ensemble, with the slowly following targets."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mac.components.part import Loss, flat
from mac.components.target import polyak
from mac.losses.regression import HEADS
from mac.nets.ensemble import Scalars
from mac.nets.mlp import Init, Scalar
from mac.types import Batch

if TYPE_CHECKING:
    from mac.config.baselines import CriticConfig, FollowedConfig


class Critic(nn.Module):
    """Q(...) and its target.

    Args:
        in_dims: widths of what a critic sees: state, goal, action, in the original's order.
        config: widths, rate of the target.
        init: source of the initial parameters.
        members: E, for values (E, ...) of an ensemble; None for a single critic's values (...).
    """

    def __init__(
        self,
        in_dims: tuple[int, ...],
        config: FollowedConfig,
        init: Init,
        members: int | None = None,
    ) -> None:
        super().__init__()
        shape, generator = (in_dims, config.hidden_dims), init.generator("critic")
        self.critic = (
            Scalar(*shape, generator, layer_norm=config.layer_norm)
            if members is None
            else Scalars(*shape, members, generator, layer_norm=config.layer_norm)
        )
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.rate = config.polyak_rate

    def follow(self, share: float | Tensor = 1.0) -> None:
        """Polyak step of the target towards the critic, at this share of its rate."""
        polyak(self.target_critic, self.critic, self.rate * share)


class Critics(Critic):
    """Q_e(...), e = 1 ... E, and their targets; ``config`` tells loss and aggregation too."""

    def __init__(
        self, in_dims: tuple[int, ...], config: CriticConfig, init: Init, members: int = 2
    ) -> None:
        super().__init__(in_dims, config, init, members)
        self.aggregation, self.head = config.aggregation, HEADS[config.loss]

    def aggregate(self, scores: Tensor) -> Tensor:
        """One value (...) of the members' (E, ...): their min, or mean."""
        return scores.amin(0) if self.aggregation == "min" else scores.mean(0)

    def score(self, *inputs: Tensor) -> Tensor:
        """One value (...) of the critics themselves."""
        return self.aggregate(self.critic(*inputs))

    def loss(self, batch: Batch, target: Tensor) -> Loss:
        """Errors of all critics on rows (B, ...) against a target (B,), their mean."""
        raw = self.critic(batch.observations, batch.value_goals, flat(batch.actions))
        metrics = {"q_mean": self.head.decode(raw).mean()}
        return Loss("critic_loss", self.head.errors(raw, target).mean(), [self.critic], metrics)

    @torch.no_grad()
    def bootstrap(self, *inputs: Tensor) -> Tensor:
        """Values (B,) by the targets, decoded and then aggregated: constants."""
        return self.aggregate(self.head.decode(self.target_critic(*inputs)))
