"""Which row is the goal of an anchor row: mixtures of itself, its trajectory and any row.

An episode of T transitions has rows 0 … T; its trajectory ends at row T - 1, so that the final
state is never a goal [F].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np


class Mixture(Protocol):
    """Distribution of the goal row J of an anchor row i whose trajectory ends at row e.

    Attributes:
        current: probability of J = i.
        trajectory: probability of a later row of the same trajectory.
        random: probability of any valid row of the split; the three add up to 1.
        geometric: later rows at a geometric distance, all excess on e, instead of uniformly.
        even: uniform later rows all weigh the same [C]; off, i + 1 and e weigh half of the others
            [F].
    """

    current: float
    trajectory: float
    random: float
    geometric: bool
    even: bool


def goal_rows(
    mixture: Mixture,
    generator: np.random.Generator,
    anchors: np.ndarray,
    ends: np.ndarray,
    discount: float,
    random_rows: Callable[[np.random.Generator, int], np.ndarray],
) -> np.ndarray:
    """Goal rows (B,) drawn from a mixture.

    Args:
        mixture: the distribution.
        generator: source of the draws.
        anchors: (B,) rows i.
        ends: (B,) last rows e of their trajectories, e >= i.
        discount: per step; 1 - discount is the parameter of the geometric distance.
        random_rows: draws so many valid rows.
    """
    size = len(anchors)
    among = mixture.trajectory / (1 - mixture.current) if mixture.current < 1 else 0.0
    later = geometric_rows if mixture.geometric else even_rows if mixture.even else uniform_rows
    on_trajectory = later(generator, anchors, ends, discount)
    anywhere = random_rows(generator, size)
    goals = np.where(generator.random(size) < among, on_trajectory, anywhere)
    return np.where(generator.random(size) < mixture.current, anchors, goals)


def uniform_rows(
    generator: np.random.Generator, anchors: np.ndarray, ends: np.ndarray, discount: float = 1.0
) -> np.ndarray:
    """round(u·min(i + 1, e) + (1 - u)·e), u uniform: both end points weigh half [F]."""
    share = generator.random(len(anchors))
    rows = share * np.minimum(anchors + 1, ends) + (1 - share) * ends
    return np.round(rows).astype(np.int64)


def even_rows(
    generator: np.random.Generator, anchors: np.ndarray, ends: np.ndarray, discount: float = 1.0
) -> np.ndarray:
    """Uniform over i + 1 … e [C]; e where i = e."""
    return generator.integers(np.minimum(anchors + 1, ends), ends + 1)


def geometric_rows(
    generator: np.random.Generator, anchors: np.ndarray, ends: np.ndarray, discount: float
) -> np.ndarray:
    """min(i + K, e), K = 1, 2, … of probability (1 - discount)·discount^(K - 1)."""
    return np.minimum(anchors + generator.geometric(1 - discount, len(anchors)), ends)
