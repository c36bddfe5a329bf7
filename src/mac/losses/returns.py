"""Returns of imagined trajectories, and what returns can be."""

from __future__ import annotations

import torch
from torch import Tensor


def lambda_returns(
    rewards: Tensor, masks: Tensor, next_values: Tensor, discount: float, td_lambda: float
) -> Tensor:
    """Lambda-returns by backward recursion (algorithms.md 1.5, in the forward-view form).

    R_h = r_h + discount m_h [(1 - lambda) V(s_{h+1}) + lambda R_{h+1}], with R_H = V(s_H). This
    equals the generalised advantage form of the original, in which V(s_h) cancels.

    Args:
        rewards: (H, B), reward of each chunk.
        masks: (H, B), 0 where bootstrapping stops.
        next_values: (H, B) values of s_1 to s_H; with lambda = 1 the last row, (1, B), is enough.
        discount: per chunk, gamma**n for chunks of n steps.
        td_lambda: lambda in [0, 1].

    Returns:
        (H, B).
    """
    result = next_values[-1]
    returns = []
    for h in reversed(range(rewards.shape[0])):
        if td_lambda < 1.0:
            result = torch.lerp(next_values[h], result, td_lambda)
        result = rewards[h] + discount * masks[h] * result
        returns.append(result)
    return torch.stack(returns[::-1])


def within_goal_range(values: Tensor, discount: float, *, negative: bool) -> Tensor:
    """Values (...) clipped to the returns that goals allow.

    Args:
        values: estimates of returns.
        discount: per environment step.
        negative: rewards are -1 until success, so that returns lie in [-1 / (1 - discount), 0];
            otherwise 1 at success, and returns lie in [0, 1].
    """
    low, high = (-1.0 / (1.0 - discount), 0.0) if negative else (0.0, 1.0)
    return values.clamp(low, high)
