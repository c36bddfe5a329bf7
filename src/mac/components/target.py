"""Networks that follow others slowly."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


@torch.no_grad()
def polyak(target: nn.Module, online: nn.Module, rate: float | Tensor) -> None:
    """Step of a network towards another: target <- rate online + (1 - rate) target.

    A ``rate`` that the data decide is a tensor (); 0 leaves the target as it is.
    """
    own, other = list(target.parameters()), list(online.parameters())
    if isinstance(rate, Tensor):
        torch._foreach_lerp_(own, other, [rate.to(parameter) for parameter in own])
    else:
        torch._foreach_lerp_(own, other, rate)


class Tracked(nn.Module):
    """A network and the copy of it that follows."""

    def __init__(self, network: nn.Module, rate: float) -> None:
        super().__init__()
        self.network = network
        self.target_network = copy.deepcopy(network).requires_grad_(False)
        self.rate = rate

    def follow(self, share: float | Tensor = 1.0) -> None:
        """Polyak step of the copy, at this share of its rate."""
        polyak(self.target_network, self.network, self.rate * share)
