"""How far the mean of some episodes lies from the rate behind it, by chance alone."""

from __future__ import annotations

import numpy as np


def sampling_variance(episodes: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Variance of the mean of ``episodes`` (..., E) under independent draws.

    For successes this is p (1 - p) / E with p = (successes + 1) / (E + 2): one invented value at
    either end of the range keeps it above zero where all episodes agree.
    """
    episodes = np.asarray(episodes, dtype=float)
    count = episodes.shape[-1]
    mean = (episodes.sum(-1) + low + high) / (count + 2)
    square = ((episodes**2).sum(-1) + low**2 + high**2) / (count + 2)
    return (square - mean**2) / count
