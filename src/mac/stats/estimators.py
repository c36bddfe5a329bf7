"""Point estimates over runs: arrays are seeds x tasks, one score a run."""

from __future__ import annotations

import numpy as np
from scipy import stats


def iqm(scores: np.ndarray) -> np.ndarray:
    """Interquartile mean over all runs of ``scores`` (..., seeds, tasks).

    The lowest and highest quarter of the seeds x tasks runs are left out, both rounded down, as
    rliable does; fewer than four runs give their mean.
    """
    scores = np.asarray(scores, dtype=float)
    return stats.trim_mean(scores.reshape(*scores.shape[:-2], -1), 0.25, axis=-1)


def iqm_standard_error(scores: np.ndarray) -> np.ndarray:
    """Standard error of :func:`iqm` with seeds, not runs, as independent units.

    From the trimmed mean's influence: runs outside the middle half count as its border, a seed
    counts with the mean over its tasks (for one task this is the Tukey-McLaughlin error).
    """
    scores = np.asarray(scores, dtype=float)
    seeds, tasks = scores.shape[-2:]
    runs = seeds * tasks
    cut = runs // 4
    flat = np.sort(scores.reshape(*scores.shape[:-2], runs), axis=-1)
    low, high = flat[..., cut], flat[..., runs - cut - 1]
    inner = np.clip(scores, low[..., None, None], high[..., None, None]).mean(-1)
    return inner.std(-1, ddof=1) / np.sqrt(seeds) * runs / (runs - 2 * cut)


def probability_of_improvement(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Probability that a run of ``ours`` (..., seeds) beats one of ``theirs`` on the same task.

    Every seed of one agent meets every seed of the other; a tie counts one half. Averaging over
    tasks is up to the caller.
    """
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    wins = np.sign(ours[..., :, None] - theirs[..., None, :])
    return (1.0 + wins.mean((-2, -1))) / 2.0


def optimality_gap(scores: np.ndarray, target: float = 1.0) -> np.ndarray:
    """Mean amount by which runs of ``scores`` (..., seeds, tasks) fall short of ``target``.

    Runs beyond the target count as reaching it, as in rliable. Success rates have their target at
    1 and never pass it: there the gap is what the mean lacks.
    """
    scores = np.asarray(scores, dtype=float)
    return target - np.minimum(scores, target).mean((-2, -1))


def performance_profile(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of each seed's tasks with a score above each threshold: (thresholds, seeds).

    The mean over seeds is rliable's profile, the share of all runs of ``scores`` (seeds, tasks);
    seeds are kept apart because they, not runs, are what is independent.
    """
    scores, thresholds = np.asarray(scores, dtype=float), np.asarray(thresholds, dtype=float)
    return (scores > thresholds[:, None, None]).mean(-1)
