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


def future_shares(length: int, td_lambda: float) -> list[float]:
    """Share of the future in a return that averages over horizons, at steps 0 ... H - 1.

    With lambda = 1 every horizon from 0 to H - h counts the same at step h (algorithms.md 8).
    """
    shares, count = [], 1.0
    for _ in range(length):
        shares.append(td_lambda * count / (1.0 + td_lambda * count))
        count = 1.0 + td_lambda * count
    return shares[::-1]


def averaged_returns(
    rewards: Tensor, alive: Tensor, values: Tensor, discount: float, td_lambda: float
) -> Tensor:
    """Averages of the returns over all horizons, LEQ's normalised lambda-returns (algorithms.md 8).

    G_h = (1 - f_h) Q_h + f_h (W_h r_h + discount W_{h+1} G_{h+1}), G_H = Q_H, where f_h is the
    share of the future, lambda c / (1 + lambda c) with c = 1, 1 + lambda c, ... backwards from the
    end. The survival W stands at every level [F]; once it is 0 it stays 0.

    Args:
        rewards: r, (H, B).
        alive: W, (H + 1, B), 1 until a predicted success, 0 after it.
        values: Q of states and actions, (H + 1, B).
        discount: per step.
        td_lambda: lambda in [0, 1].

    Returns:
        (H + 1, B).
    """
    returns = [values[-1]]
    shares = future_shares(len(rewards), td_lambda)
    for h in reversed(range(len(rewards))):
        future = alive[h] * rewards[h] + discount * alive[h + 1] * returns[-1]
        returns.append((1.0 - shares[h]) * values[h] + shares[h] * future)
    return torch.stack(returns[::-1])
