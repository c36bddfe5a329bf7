"""Moving average of a network's weights, which is what samples (algorithms.md 15.1)."""

from __future__ import annotations

import copy

import torch
from torch import nn


class MovingAverage(nn.Module):
    """A network whose weights follow another's from time to time; called like it.

    Of the updates 0, 1, 2, …, each followed by :meth:`follow`, those divisible by ``every`` count:
    before ``start`` the weights are copied, later mixed in at the rate 1 - ``decay``. The number of
    updates is a buffer, so that following is a function of tensors alone and goes on where it was.

    Args:
        network: what is averaged; not a sub-module of this.
        decay: share of its own weights that the average keeps.
        every: updates from one step of the average to the next.
        start: updates during which weights are copied.
    """

    def __init__(self, network: nn.Module, decay: float, every: int, start: int) -> None:
        super().__init__()
        self.average = copy.deepcopy(network).requires_grad_(False)
        self._network = (network,)
        self.decay, self.every, self.start = decay, every, start
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Output of the averaged network."""
        return self.average(*inputs)

    @torch.no_grad()
    def follow(self) -> None:
        """Step after an update of the network."""
        rate = torch.where(self.updates < self.start, 1.0, 1.0 - self.decay)
        rate = torch.where(self.updates % self.every == 0, rate, 0.0)
        pairs = zip(self.average.parameters(), self._network[0].parameters(), strict=True)
        for own, other in pairs:
            own.lerp_(other, rate.to(own.dtype))
        self.updates += 1
