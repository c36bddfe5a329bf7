"""Whether scores changed between two versions: t-tests over seeds, and their families.

Arrays may have leading axes; every function then works on all entries at once. docs/diff.md has the
reasons and the measured error rates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from mac.stats.intervals import LEVEL

ALPHA = 0.05  # probability of any false alarm in one comparison
POOLED_SHARE = 0.2  # of ALPHA spent on the pooled tests; the cells have the rest
MIN_SEEDS = 2  # on either side, for a spread over seeds to exist


@dataclass(frozen=True)
class Change:
    """Estimated changes (...): later minus earlier.

    Attributes:
        difference: the estimates.
        variance: of the estimates.
        freedom: degrees of freedom of the variances.
    """

    difference: np.ndarray
    variance: np.ndarray
    freedom: np.ndarray

    @property
    def p_value(self) -> np.ndarray:
        """Two-sided p-value of Student's t-test against no change."""
        return 2.0 * stats.t.sf(np.abs(self.difference) / np.sqrt(self.variance), self.freedom)

    @property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the 95 % interval."""
        half = stats.t.ppf((1.0 + LEVEL) / 2.0, self.freedom) * np.sqrt(self.variance)
        return self.difference - half, self.difference + half


def unpaired(
    before: np.ndarray, after: np.ndarray, floor_before: np.ndarray, floor_after: np.ndarray
) -> Change:
    """Welch's test between seeds ``before`` (..., S) and ``after`` (..., S').

    Args:
        before: rates of the earlier version's seeds.
        after: rates of the later version's seeds.
        floor_before: (...) variance of the mean that its episodes alone account for; the spread
            over seeds never counts as less.
        floor_after: (...) the same of the later version.
    """
    one, other = _variance(before, floor_before), _variance(after, floor_after)
    variance = one + other
    parts = one**2 / (before.shape[-1] - 1) + other**2 / (after.shape[-1] - 1)
    return Change(after.mean(-1) - before.mean(-1), variance, variance**2 / parts)


def paired(differences: np.ndarray, floor: np.ndarray) -> Change:
    """Student's test of ``differences`` (..., S) of seeds whose two runs share an artefact.

    Args:
        differences: later minus earlier, by seed.
        floor: (...) variance of the mean difference that the episodes alone account for.
    """
    variance = _variance(differences, floor)
    freedom = np.full_like(variance, differences.shape[-1] - 1)
    return Change(differences.mean(-1), variance, freedom)


def _variance(seeds: np.ndarray, floor: np.ndarray) -> np.ndarray:
    return np.maximum(seeds.var(-1, ddof=1) / seeds.shape[-1], floor)


def mean_change(changes: Change, weights: np.ndarray) -> Change:
    """Mean of independent changes (..., K) with ``weights`` (K,), by Satterthwaite's freedom."""
    shares = np.asarray(weights) / np.sum(weights)
    parts = shares**2 * changes.variance
    variance = parts.sum(-1)
    freedom = variance**2 / (parts**2 / changes.freedom).sum(-1)
    return Change((shares * changes.difference).sum(-1), variance, freedom)


def seed_values(cells: np.ndarray) -> np.ndarray:
    """One value (..., S) a seed from ``cells`` (..., S, C), NaN where a cell lacks the seed.

    Their mean is the mean of the cells' means, and their spread that of the seeds' contributions to
    it: with every seed in every cell, simply the seeds' means over cells.
    """
    present = np.isfinite(cells)
    count = present.sum(-2, keepdims=True)
    mean = np.nansum(cells, -2, keepdims=True) / count
    effects = np.where(present, (cells - mean) / count, 0.0).mean(-1)
    return mean.mean((-2, -1))[..., None] + cells.shape[-2] * effects


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values of the family (..., M): at most ALPHA where the test rejects."""
    p_values = np.asarray(p_values, dtype=float)
    count = p_values.shape[-1]
    order = np.argsort(p_values, -1)
    steps = np.take_along_axis(p_values, order, -1) * (count - np.arange(count))
    adjusted = np.empty_like(p_values)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(steps, -1), 1.0), -1)
    return adjusted


def adjust(pooled: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Adjusted p-values of both families, so that ALPHA covers any false alarm among them.

    The fallback procedure: the pooled tests have ``POOLED_SHARE`` of ALPHA, by Holm; the cells have
    the rest, by Holm, and all of it once every pooled test has rejected.

    Args:
        pooled: (..., K) p-values of the pooled tests; K may be 0.
        cells: (..., M) p-values of the cells.
    """
    by_cell = holm(cells)
    if not pooled.shape[-1]:
        return np.asarray(pooled, dtype=float), by_cell
    first = np.minimum(holm(pooled) / POOLED_SHARE, 1.0)
    alone = np.minimum(by_cell / (1.0 - POOLED_SHARE), 1.0)
    return first, np.minimum(alone, np.maximum(by_cell, first.max(-1, keepdims=True)))
