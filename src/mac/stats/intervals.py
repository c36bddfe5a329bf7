"""95 % intervals: over seeds (the default), the field's bootstrap, and over episodes.

Tasks share trained stages within a seed, so what is independent is the seed: the default interval
is Student's t on the seeds' task means. docs/statistics.md has definitions and measured coverage.
Array arguments may have leading axes; each function then works on all entries at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from mac.stats.estimators import iqm, iqm_standard_error

LEVEL = 0.95
MIN_SEEDS = 4  # below this no interval over seeds is printed
MIN_RUNS = 16  # seeds x tasks below which the interval of an IQM does not hold its level
RESAMPLES = 2000
TOO_FEW_SEEDS = "too few seeds"

_TAIL = (1.0 - LEVEL) / 2.0
_SAME = 1e-9  # spreads below this are rounding


@dataclass(frozen=True)
class Interval:
    """Two ends, or the reason why there are none.

    Attributes:
        low: lower end, None without an interval.
        high: upper end.
        reason: why there is no interval, or what stands in for a spread over seeds of zero.
    """

    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def columns(self, prefix: str = "ci") -> dict[str, float | str | None]:
        """The interval as it stands in ``summary.json``."""
        return {
            f"{prefix}_low": self.low,
            f"{prefix}_high": self.high,
            f"{prefix}_reason": self.reason,
        }


def t_interval(
    seeds: np.ndarray, sampling_variance: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of Student's t-interval for the mean of ``seeds`` (..., S).

    Where all seeds agree, their spread says nothing; ``sampling_variance`` (...), the variance of
    the mean that the episodes alone account for, then takes its place.
    """
    seeds = np.asarray(seeds, dtype=float)
    count = seeds.shape[-1]
    spread = seeds.std(-1, ddof=1)
    error = np.where(spread > _SAME, spread / np.sqrt(count), np.sqrt(sampling_variance))
    mean = seeds.mean(-1)
    half = stats.t.ppf(1.0 - _TAIL, count - 1) * error
    return mean - half, mean + half


def seed_interval(
    seeds: np.ndarray,
    sampling_variance: float = 0.0,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """The default interval for the mean of the seeds' task means (S,), cut to ``bounds``."""
    seeds = np.asarray(seeds, dtype=float)
    if len(seeds) < MIN_SEEDS:
        return Interval(reason=TOO_FEW_SEEDS)
    low, high = np.clip(t_interval(seeds, sampling_variance), *bounds)
    same = seeds.std(ddof=1) <= _SAME
    return Interval(float(low), float(high), "all seeds agree: sampling error" if same else None)


def iqm_interval(
    scores: np.ndarray,
    generator: np.random.Generator,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Bootstrap-t interval for the IQM of ``scores`` (seeds, tasks); seeds are resampled.

    Resamples without any spread (one seed drawn again and again) have no t-value and are left out.
    """
    scores = np.asarray(scores, dtype=float)
    seeds = len(scores)
    if seeds < MIN_SEEDS:
        return Interval(reason=TOO_FEW_SEEDS)
    if scores.size < MIN_RUNS:
        return Interval(reason="too few runs")
    estimate, error = float(iqm(scores)), float(iqm_standard_error(scores))
    if error <= _SAME:
        return Interval(reason="no spread")
    resampled = scores[generator.integers(seeds, size=(RESAMPLES, seeds))]
    errors = iqm_standard_error(resampled)
    usable = errors > _SAME
    t = (iqm(resampled)[usable] - estimate) / errors[usable]
    upper, lower = np.quantile(t, [_TAIL, 1.0 - _TAIL])
    low, high = np.clip([estimate - lower * error, estimate - upper * error], *bounds)
    return Interval(float(low), float(high))


def bootstrap_interval(scores: np.ndarray, generator: np.random.Generator) -> Interval:
    """The field's stratified percentile bootstrap for the mean of ``scores`` (seeds, tasks).

    Seeds are resampled within each task and independently between tasks, as rliable does. That
    ignores what the tasks of one seed share, so with shared stages it is too narrow.
    """
    scores = np.asarray(scores, dtype=float)
    if len(scores) < MIN_SEEDS:
        return Interval(reason=TOO_FEW_SEEDS)

    def mean(*tasks: np.ndarray, axis: int) -> np.ndarray:
        return np.mean([task.mean(axis) for task in tasks], axis=0)

    found = stats.bootstrap(
        tuple(scores.T),
        mean,
        n_resamples=RESAMPLES,
        method="percentile",
        confidence_level=LEVEL,
        vectorized=True,
        rng=generator,
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


def episode_interval(
    cells: np.ndarray,
    variances: np.ndarray,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the episode-level interval, clustered by task x seed.

    Each cell (task and seed) is one cluster, tasks are strata. A task's variance is the clustered
    one, from the spread of its cells, but never below what the cells' episodes alone account for
    (with one seed: just that). The quantile is the normal distribution's. It tells how well these
    runs are measured and speaks for other seeds only as far as the spread of few cells can.

    Args:
        cells: (..., S, T) means of the cells' episodes.
        variances: (..., S, T) their :func:`mac.stats.sampling.sampling_variance`.
        bounds: range the ends are cut to.
    """
    cells, variances = np.asarray(cells, dtype=float), np.asarray(variances, dtype=float)
    seeds, tasks = cells.shape[-2:]
    within = pooled_variance(variances, axis=-2)
    between = cells.var(-2, ddof=1) / seeds if seeds > 1 else np.zeros_like(within)
    error = np.sqrt(np.maximum(within, between).sum(-1)) / tasks
    mean = cells.mean((-2, -1))
    half = stats.norm.ppf(1.0 - _TAIL) * error
    return np.clip(mean - half, *bounds), np.clip(mean + half, *bounds)


def pooled_variance(variances: np.ndarray, axis: int | tuple[int, ...] = (-2, -1)) -> np.ndarray:
    """Variance of the mean of independent cells with the given variances."""
    variances = np.asarray(variances, dtype=float)
    axes = (axis,) if isinstance(axis, int) else axis
    count = np.prod([variances.shape[a] for a in axes])
    return variances.sum(axis) / count**2
