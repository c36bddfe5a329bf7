"""Flow matching on the straight path from noise to data (algorithms.md 0.6)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Field = Callable[[Tensor, Tensor], Tensor]


def flow_matching(field: Field, data: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    """Mean over rows and coordinates of (v(x_t, t) - (x_1 - x_0))^2, x_t = (1 - t) x_0 + t x_1.

    Args:
        field: velocity v(x, t) of points (B, D) at times (B, 1).
        data: x_1, (B, D).
        noise: x_0, (B, D), standard normal.
        times: t, (B, 1), uniform in [0, 1).
    """
    points = (1.0 - times) * noise + times * data
    return (field(points, times) - (data - noise)).square().mean()


def euler(field: Field, noise: Tensor, steps: int) -> Tensor:
    """Unclipped points (..., D), by explicit Euler steps from ``noise`` at 0, 1/K, ..., (K-1)/K."""
    points = noise
    for index in range(steps):
        times = torch.full_like(points[..., :1], index / steps)
        points = points + field(points, times) / steps
    return points
