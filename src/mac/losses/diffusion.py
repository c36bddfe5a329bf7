"""Denoising diffusion of rows of a trajectory, of which some entries are known (algorithms.md 15).

A network predicts the data x_0 from x_k, k = 0 … T - 1, noisier with k. Known entries stand in its
input and in its output as they are ("inpainting"); arrays are (B, H, D), masks of them (H, D).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

Denoiser = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Schedule:
    """How noise enters: alpha_bar_k is the share of the data's variance that is left after step k.

    Attributes:
        betas: beta_k, the share of the variance that step k replaces by noise.
    """

    betas: tuple[float, ...]

    @classmethod
    def cosine(cls, steps: int) -> Schedule:
        """Schedule of T steps by f(j) = cos²((j / T + .008) / 1.008 · pi / 2).

        alpha_bar_k is f(k + 1) / f(0) but for betas, which are 1 - f(k + 1) / f(k), at most .999.
        """
        shares = [
            math.cos((j / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for j in range(steps + 1)
        ]
        ratios = zip(shares[1:], shares[:-1], strict=True)
        return cls(tuple(min(max(1.0 - new / old, 0.0), 0.999) for new, old in ratios))

    def __len__(self) -> int:
        return len(self.betas)

    @cached_property
    def alpha_bars(self) -> tuple[float, ...]:
        """Running products of 1 - beta."""
        products = [1.0]
        for beta in self.betas:
            products.append(products[-1] * (1.0 - beta))
        return tuple(products[1:])

    def _before(self, step: int) -> float:
        return self.alpha_bars[step - 1] if step else 1.0

    def variance(self, step: int) -> float:
        """sigma_k² = beta_k (1 - alpha_bar_{k-1}) / (1 - alpha_bar_k), which is 0 at k = 0."""
        return self.betas[step] * (1.0 - self._before(step)) / (1.0 - self.alpha_bars[step])

    def posterior_mean(self, x: Tensor, data: Tensor, step: int) -> Tensor:
        """Mean of x_{k-1} given x_k and x_0, each of the same shape.

        [beta_k √alpha_bar_{k-1} x_0 + (1 - alpha_bar_{k-1}) √(1 - beta_k) x_k] / (1 - alpha_bar_k)
        """
        beta, before, left = self.betas[step], self._before(step), 1.0 - self.alpha_bars[step]
        of_data = beta * math.sqrt(before) / left
        of_x = (1.0 - before) * math.sqrt(1.0 - beta) / left
        return of_data * data + of_x * x


def impose(x: Tensor, values: Tensor, known: Tensor) -> Tensor:
    """Rows (B, H, D) with the entries of ``values`` (B, H, D) where ``known`` (H, D) says so."""
    return torch.where(known, values, x)


def noised(data: Tensor, noise: Tensor, alpha_bars: Tensor) -> Tensor:
    """√alpha_bar x_0 + √(1 - alpha_bar) noise: x_k of data (B, ...); alpha_bars (B,)."""
    share = alpha_bars.view(-1, *(1 for _ in data.shape[1:]))
    return share.sqrt() * data + (1.0 - share).sqrt() * noise


def denoising(
    network: Denoiser,
    data: Tensor,
    noise: Tensor,
    steps: Tensor,
    alpha_bars: Tensor,
    known: Tensor,
    weights: Tensor,
) -> Tensor:
    """Mean over rows, places and coordinates of w (x̂_0 - x_0)².

    Known entries contribute nothing but count in the mean [F].

    Args:
        network: x̂_0 (B, H, D) of x_k (B, H, D) and steps (B,).
        data: x_0, (B, H, D).
        noise: (B, H, D), standard normal.
        steps: k, (B,) whole numbers in [0, T).
        alpha_bars: of all steps, (T,).
        known: (H, D), true where an entry is given.
        weights: w, (H, D).
    """
    x = impose(noised(data, noise, alpha_bars[steps]), data, known)
    prediction = impose(network(x, steps), data, known)
    return (weights * (prediction - data).square()).mean()


def guided(
    x: Tensor, score: Denoiser, step: int, schedule: Schedule, scale: float, stop: int
) -> Tensor:
    """Rows x + omega sigma_k² dJ(x, k)/dx; x itself where k < t_stop (algorithms.md 15.2).

    Args:
        x: rows (B, H, D).
        score: J (B,) of rows and steps (B,), each row's from that row alone.
        step: k.
        schedule: gives sigma_k.
        scale: omega.
        stop: t_stop.
    """
    if step < stop:
        return x
    with torch.inference_mode(False), torch.enable_grad():
        point = x.clone().requires_grad_()
        steps = torch.full(x.shape[:1], step, device=x.device)
        (gradient,) = torch.autograd.grad(score(point, steps).sum(), point)
    return x + scale * schedule.variance(step) * gradient


def sample(
    network: Denoiser,
    schedule: Schedule,
    values: Tensor,
    known: Tensor,
    noise: Sequence[Tensor] | Tensor,
    *,
    clip: bool = True,
    guides: Sequence[Callable[[Tensor, int], Tensor]] = (),
) -> Tensor:
    """Rows (B, H, D) drawn by going backward through all steps.

    Args:
        network: x̂_0 (B, H, D) of x_k (B, H, D) and steps (B,).
        schedule: of T steps.
        values: (B, H, D), used where ``known``.
        known: (H, D), true where an entry is given.
        noise: T arrays (B, H, D), standard normal: the start, then one for every step but k = 0.
        clip: predictions x̂_0 are clipped to [-1, 1].
        guides: functions of (x_k, k) that x_k goes through before its step, one after the other.
    """
    x = impose(noise[0], values, known)
    for step in reversed(range(len(schedule))):
        for guide in guides:
            x = impose(guide(x, step), values, known)
        data = network(x, torch.full(x.shape[:1], step, device=x.device))
        x = schedule.posterior_mean(x, data.clamp(-1.0, 1.0) if clip else data, step)
        if step:
            x = x + math.sqrt(schedule.variance(step)) * noise[len(schedule) - step]
        x = impose(x, values, known)
    return x
