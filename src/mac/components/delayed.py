"""Networks of which some, and all targets, wait for every n-th update."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from mac.components.part import Composite, Draw, Loss, Noise
from mac.types import Batch


class Delayed(Composite):
    """A composite whose targets follow at every ``period``-th update alone.

    A loss that waits too is multiplied by :meth:`due`: gradients of zero, by which Adam's momentum
    still moves its networks, as in the original. The number of updates is a buffer, so that a step
    is a function of tensors alone and goes on where it was.
    """

    def __init__(
        self,
        period: int,
        modules: Mapping[str, nn.Module],
        losses: Callable[[Batch, Noise], list[Loss]],
        noise: Callable[[int], dict[str, Draw]],
    ) -> None:
        super().__init__(modules, losses, noise)
        self.period = period
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def due(self) -> Tensor:
        """1 at the ``period``-th update, counted from 1, and its multiples; 0 at others: ()."""
        return ((self.updates + 1) % self.period == 0).float()

    def follow(self) -> None:
        """All that follows, does if it is due; then the next update is."""
        for module in self.children():
            if hasattr(module, "follow"):
                module.follow(self.due())
        self.updates += 1
