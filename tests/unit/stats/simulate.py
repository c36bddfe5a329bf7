"""Runs whose true success rate is known."""

import numpy as np
from scipy import stats


def success_rates(draws, count, seeds, tasks, episodes, mean, spread, shared):
    """Observed rates (count, seeds, tasks) of ``count`` experiments.

    Each run's own rate is drawn from a beta distribution with the given mean and with ``spread``
    as its share of the largest possible variance (0: all runs alike); ``shared`` is the correlation
    that the rates of one seed's tasks have before they are mapped to it.
    """
    size = (count, seeds, tasks)
    if spread == 0:
        return draws.binomial(episodes, mean, size=size) / episodes
    normal = np.sqrt(shared) * draws.normal(size=(count, seeds, 1))
    normal = normal + np.sqrt(1 - shared) * draws.normal(size=size)
    strength = (1 - spread) / spread
    # Quantiles from a table: scipy's are exact but slow.
    grid = np.linspace(-5, 5, 400)
    table = stats.beta.ppf(stats.norm.cdf(grid), mean * strength, (1 - mean) * strength)
    rates = np.interp(normal, grid, table)
    return draws.binomial(episodes, rates) / episodes


def covered(low, high, truth):
    return float(np.mean((low <= truth) & (truth <= high)))
