"""An ensemble of critics of single actions, with the slowly following targets."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mac.losses.regression import HEADS
from mac.nets.ensemble import Scalars
from mac.nets.mlp import Init

if TYPE_CHECKING:
    from mac.config.schema import CriticConfig


class Critics(nn.Module):
    """Q_e(...), e = 1 ... E, and their targets.

    Args:
        in_dims: widths of what a critic sees: state, goal, action, in the original's order.
        config: widths, loss, aggregation, rate of the targets.
        init: source of the initial parameters.
        members: E.
    """

    def __init__(
        self, in_dims: tuple[int, ...], config: CriticConfig, init: Init, members: int = 2
    ) -> None:
        super().__init__()
        generator = init.generator("critic")
        shape = (in_dims, config.hidden_dims, members, generator)
        self.critic = Scalars(*shape, layer_norm=config.layer_norm)
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.rate, self.aggregation = config.polyak_rate, config.aggregation
        self.head = HEADS[config.loss]

    def aggregate(self, scores: Tensor) -> Tensor:
        """One value (...) of the members' (E, ...): their min, or mean."""
        return scores.amin(0) if self.aggregation == "min" else scores.mean(0)

    @torch.no_grad()
    def bootstrap(self, *inputs: Tensor) -> Tensor:
        """Values (B,) by the targets, decoded and then aggregated: constants."""
        return self.aggregate(self.head.decode(self.target_critic(*inputs)))

    @torch.no_grad()
    def follow(self) -> None:
        """Polyak step of the targets towards the critics."""
        online, target = self.critic.parameters(), self.target_critic.parameters()
        torch._foreach_lerp_(list(target), list(online), self.rate)
