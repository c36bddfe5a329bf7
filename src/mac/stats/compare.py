"""Differences between two agents that ran the same cells: paired by seed, task and episode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mac.rng import stream
from mac.stats.estimators import probability_of_improvement
from mac.stats.intervals import (
    LEVEL,
    MIN_SEEDS,
    RESAMPLES,
    TOO_FEW_SEEDS,
    Interval,
    episode_interval,
    pooled_variance,
    seed_interval,
)
from mac.stats.sampling import sampling_variance
from mac.stats.scores import matrix

BOUNDS = (-1.0, 1.0)


def paired_variances(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Sampling variance of the mean difference of paired episodes (..., E).

    Both agents start an episode of one number from the same state, so their difference is one draw;
    one invented episode is added at -1 and one at +1.
    """
    return sampling_variance(np.asarray(ours) - np.asarray(theirs), -1.0, 1.0)


def compare(
    found: pd.DataFrame,
    episodes: pd.Series,
    agent: str,
    baseline: str,
    tasks: list[str],
    seeds: list[int],
) -> dict[str, Any]:
    """Difference of success rates, ``agent`` minus ``baseline``, over the cells both have.

    Only seeds that both agents completed on all ``tasks`` enter; the number is reported.

    Args:
        found: :func:`mac.stats.scores.cells` of the experiment.
        episodes: :func:`mac.stats.scores.by_episode` of the same rows.
        agent: label of the one.
        baseline: label of the other.
        tasks: tasks that are averaged over.
        seeds: seeds of the experiment.
    """
    ours, theirs = (matrix(found, name, tasks, seeds) for name in (agent, baseline))
    complete = np.isfinite(ours).all(1) & np.isfinite(theirs).all(1)
    ours, theirs = ours[complete], theirs[complete]
    common = [seed for seed, whole in zip(seeds, complete, strict=True) if whole]
    result: dict[str, Any] = {"seeds": len(common), "tasks": len(tasks)}
    if not common:
        nothing = Interval(reason="no seed in common")
        return result | {
            "difference": None,
            **nothing.columns(),
            "episode_ci_low": None,
            "episode_ci_high": None,
            "p_value": None,
            "probability_of_improvement": None,
            **nothing.columns("probability_ci"),
        }
    variances = np.array(
        [
            [_cell_variance(episodes, agent, baseline, task, seed) for task in tasks]
            for seed in common
        ]
    )
    difference = ours - theirs
    low, high = episode_interval(difference, variances, BOUNDS)
    return result | {
        "difference": float(difference.mean()),
        **seed_interval(difference.mean(1), float(pooled_variance(variances)), BOUNDS).columns(),
        "episode_ci_low": float(low),
        "episode_ci_high": float(high),
        "p_value": _sign_test(episodes, agent, baseline, tasks, common),
        "probability_of_improvement": float(probability_of_improvement(ours.T, theirs.T).mean()),
        **_probability_interval(ours, theirs).columns("probability_ci"),
    }


def _cell_variance(episodes: pd.Series, ours: str, theirs: str, task: str, seed: int) -> float:
    one, other = episodes[ours, task, seed], episodes[theirs, task, seed]
    if one.index.equals(other.index):
        return float(paired_variances(one.to_numpy(), other.to_numpy()))
    return float(sampling_variance(one.to_numpy()) + sampling_variance(other.to_numpy()))


def _sign_test(
    episodes: pd.Series, ours: str, theirs: str, tasks: list[str], seeds: list[int]
) -> float:
    """P-value of one agent being no better than the other: exact, one-sided, on paired episodes.

    Of the episodes that only one of the two solved (under a mean of checkpoints: solved more
    often), how likely would at least so many be the first one's if both were as likely (McNemar's
    test in its exact form)? Two agents' episodes of one number start from the same state, so pairs
    are alike whatever task and state they are of, which a test of two pooled rates (Fisher's,
    Barnard's) would have to assume of all episodes.
    """
    cells = [(task, seed) for task in tasks for seed in seeds]
    pairs = (episodes[ours, t, s].sub(episodes[theirs, t, s]).dropna() for t, s in cells)
    signs = np.sign(np.concatenate([pair.to_numpy(dtype=float) for pair in pairs]))
    better, decided = int((signs > 0).sum()), int((signs != 0).sum())
    if not decided:
        return 1.0
    return float(stats.binomtest(better, decided, 0.5, alternative="greater").pvalue)


def _probability_interval(ours: np.ndarray, theirs: np.ndarray) -> Interval:
    """Stratified percentile bootstrap, as rliable does: runs of both agents are resampled."""
    if len(ours) < MIN_SEEDS:
        return Interval(reason=TOO_FEW_SEEDS)
    tasks = ours.shape[1]

    def statistic(*runs: np.ndarray, axis: int) -> np.ndarray:
        del axis  # always the last
        pairs = zip(runs[:tasks], runs[tasks:], strict=True)
        return np.mean([probability_of_improvement(a, b) for a, b in pairs], axis=0)

    found = stats.bootstrap(
        (*ours.T, *theirs.T),
        statistic,
        n_resamples=RESAMPLES,
        method="percentile",
        confidence_level=LEVEL,
        vectorized=True,
        rng=stream(0, "probability-of-improvement"),
    ).confidence_interval
    return Interval(float(found.low), float(found.high))


def improvement_matrix(
    found: pd.DataFrame, labels: list[str], tasks: list[str], seeds: list[int]
) -> np.ndarray:
    """Probability that a run of one agent (row) beats one of another (column): (agents, agents).

    Mean over ``tasks`` of :func:`probability_of_improvement`; only seeds with all tasks enter. NaN
    where an agent has none, and against itself.

    Args:
        found: scores by agent, task, seed.
        labels: agents, in order.
        tasks: tasks that all of them have.
        seeds: seeds of the experiment.
    """
    scores = [matrix(found, label, tasks, seeds) for label in labels]
    scores = [one[np.isfinite(one).all(1)].T for one in scores]
    result = np.full((len(labels), len(labels)), np.nan)
    for i, ours in enumerate(scores):
        for j, theirs in enumerate(scores):
            if i != j and ours.size and theirs.size:
                result[i, j] = probability_of_improvement(ours, theirs).mean()
    return result
