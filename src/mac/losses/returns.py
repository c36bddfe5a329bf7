"""Returns of imagined trajectories."""

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
