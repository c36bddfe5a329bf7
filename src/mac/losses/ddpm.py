"""Denoising diffusion of vectors by a network that predicts the noise, as IDQL has it.

Facts from the public code, philippe-eecs/IDQL: jaxrl5/networks/diffusion.py (schedule, sampler) and
jaxrl5/agents/ddpm_iql/ddpm_iql_learner.py (loss). The planner's diffusion, which predicts the data,
is :mod:`mac.losses.diffusion`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mac.losses.diffusion import Schedule, noised

BETA_MIN, BETA_MAX = 0.1, 10.0  # of the continuous process, at its two ends

Predictor = Callable[[Tensor, Tensor], Tensor]


def variance_preserving(steps: int) -> Schedule:
    """Schedule of T steps: 1 - beta_k = exp(-b / T - (B - b) (2 k - 1) / (2 T²)), k = 1 … T.

    b and B are the ends of the continuous process's linear rate.
    """
    spread = BETA_MAX - BETA_MIN
    rates = (BETA_MIN / steps + 0.5 * spread * (2 * k - 1) / steps**2 for k in range(1, steps + 1))
    return Schedule(tuple(1.0 - math.exp(-rate) for rate in rates))


def noise_prediction(
    network: Predictor, data: Tensor, noise: Tensor, times: Tensor, alpha_bars: Tensor
) -> Tensor:
    """Mean over rows of the sum over coordinates of (eps(x_k, k) - noise)², k uniform.

    Args:
        network: predicted noise (B, D) of points (B, D) and steps k (B, 1), floating point.
        data: x_0, (B, D).
        noise: (B, D), standard normal.
        times: (B, 1), uniform in [0, 1): k is the whole part of T times it.
        alpha_bars: of all steps, (T,).
    """
    steps = (times * len(alpha_bars)).long()
    points = noised(data, noise, alpha_bars[steps[:, 0]])
    return (network(points, steps.to(data)) - noise).square().sum(-1).mean()


def ancestral(network: Predictor, schedule: Schedule, noise: Tensor) -> Tensor:
    """Points (..., D) in [-1, 1], by going backward through all steps; each is clipped.

    x <- (x - beta_k / √(1 - alpha_bar_k) eps(x, k)) / √(1 - beta_k) + √beta_k noise, the last step
    without noise.

    Args:
        network: predicted noise (..., D) of points (..., D) and steps k (..., 1).
        schedule: of T steps.
        noise: (T, ..., D), standard normal: the start, then one for every step but the last.
    """
    x = noise[0]
    for step in reversed(range(len(schedule))):
        beta, left = schedule.betas[step], 1.0 - schedule.alpha_bars[step]
        predicted = network(x, torch.full_like(x[..., :1], step))
        x = (x - beta / math.sqrt(left) * predicted) / math.sqrt(1.0 - beta)
        if step:
            x = x + math.sqrt(beta) * noise[len(schedule) - step]
        x = x.clamp(-1.0, 1.0)
    return x
