"""The content of ``summary.json``: agents by task, environment and overall, and comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from mac.rng import stream
from mac.rows import VERSIONS
from mac.stats.compare import compare
from mac.stats.estimators import iqm, optimality_gap
from mac.stats.intervals import (
    LEVEL,
    Interval,
    bootstrap_interval,
    episode_interval,
    iqm_interval,
    pooled_variance,
    seed_interval,
)
from mac.stats.rows import EvaluationInput
from mac.stats.scores import by_episode, matrix

RATE = (0.0, 1.0)
ERROR = (0.0, float("inf"))
MIXED = "reward and goal protocols are never averaged"


@dataclass(frozen=True)
class Group:
    """Tasks of one environment in one mode, under the name tables use."""

    name: str
    environment: str
    mode: str
    tasks: tuple[str, ...]


def groups(runs: Sequence[EvaluationInput]) -> list[Group]:
    """Environments in the order in which ``runs`` first name them, with all their tasks."""
    tasks: dict[tuple[str, str], dict[str, None]] = {}
    for run in runs:
        tasks.setdefault((run.environment, run.mode), {}).update(dict.fromkeys(run.tasks))
    names = [environment for environment, _ in tasks]
    return [
        Group(
            environment if names.count(environment) == 1 else f"{environment} ({mode})",
            environment,
            mode,
            tuple(found),
        )
        for (environment, mode), found in tasks.items()
    ]


def describe(
    found: pd.DataFrame,
    agent: str,
    tasks: Sequence[str],
    seeds: Sequence[int],
    bounds: tuple[float, float] = RATE,
) -> dict[str, Any]:
    """Statistics of one agent's scores on some tasks.

    A seed enters with its mean over ``tasks``, and only if all of them are there; other seeds are
    listed as incomplete. Then ``mean_with_failures`` counts every missing run as the worst score.
    """
    scores = matrix(found, agent, list(tasks), list(seeds))
    complete = np.isfinite(scores).all(1)
    incomplete = [seed for seed, whole in zip(seeds, complete, strict=True) if not whole]
    extra: dict[str, Any] = {"incomplete_seeds": incomplete, "tasks": len(tasks)}
    if incomplete and bounds == RATE:
        extra["mean_with_failures"] = float(np.nan_to_num(scores).mean())
    if not complete.any():
        return _nothing("no seed has all tasks") | extra
    variances = matrix(found, agent, list(tasks), list(seeds), "variance")[complete]
    counts = matrix(found, agent, list(tasks), list(seeds), "episodes")[complete]
    scores = scores[complete]
    by_seed = scores.mean(1)
    low, high = episode_interval(scores, variances, bounds)
    result = {
        "mean": float(by_seed.mean()),
        "std": float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
        "iqm": float(iqm(scores)),
        "optimality_gap": float(optimality_gap(scores)) if bounds == RATE else None,
        **seed_interval(by_seed, float(pooled_variance(variances)), bounds).columns(),
        "seeds": len(by_seed),
        "seed_means": _by_seed(seeds, complete, by_seed),
        "episodes": int(counts.sum()),
        **iqm_interval(scores, stream(0, "iqm-interval"), bounds).columns("iqm_ci"),
        **bootstrap_interval(scores, stream(0, "stratified-bootstrap")).columns("bootstrap_ci"),
        "episode_ci_low": float(low) if bounds == RATE else None,
        "episode_ci_high": float(high) if bounds == RATE else None,
    }
    for key in ("return_mean", "value_bias", "value_error", "horizon"):
        if key in found.columns:
            values = matrix(found, agent, list(tasks), list(seeds), key)[complete]
            result[key] = _of_seeds(values) if key.startswith("value") else float(values.mean())
    return result | extra


def _by_seed(seeds: Sequence[int], complete: np.ndarray, means: np.ndarray) -> dict[str, float]:
    kept = [seed for seed, whole in zip(seeds, complete, strict=True) if whole]
    return {str(seed): float(mean) for seed, mean in zip(kept, means, strict=True)}


def _of_seeds(values: np.ndarray) -> dict[str, Any] | None:
    """Mean and interval of a quantity that is not a success rate; None where it is not known."""
    if not np.isfinite(values).all():
        return None
    by_seed = values.mean(1)
    return {"mean": float(by_seed.mean()), **seed_interval(by_seed).columns()}


def _nothing(reason: str) -> dict[str, Any]:
    none = Interval(reason=reason)
    return {
        "mean": None,
        "std": None,
        "iqm": None,
        "optimality_gap": None,
        **none.columns(),
        "seeds": 0,
        "seed_means": {},
        "episodes": 0,
        **none.columns("iqm_ci"),
        **none.columns("bootstrap_ci"),
        "episode_ci_low": None,
        "episode_ci_high": None,
    }


def summarise(
    runs: Sequence[EvaluationInput],
    found: pd.DataFrame,
    rows: pd.DataFrame,
    experiment: str,
    checkpoint: str,
    baseline: str | None,
    missing: Sequence[EvaluationInput],
    no_data: Mapping[str, str],
) -> dict[str, Any]:
    """Everything tables and figures say, as plain values.

    Args:
        runs: all runs of the experiment, missing ones included.
        found: cells, of :mod:`mac.stats.scores`.
        rows: the reported rows behind them.
        experiment: its name.
        checkpoint: rule by which ``rows`` were chosen.
        baseline: label every other agent is compared with; None compares all pairs.
        missing: runs without a file.
        no_data: environments left out because their data cannot be had, and why.
    """
    evaluator = runs[0].evaluator
    bounds = RATE if evaluator == "episodes" else ERROR
    labels = list(dict.fromkeys(run.label for run in runs))
    seeds = sorted({run.seed for run in runs})
    all_groups = groups(runs)
    planned = {label: {t for r in runs if r.label == label for t in r.tasks} for label in labels}

    def of(label: str, tasks: Sequence[str]) -> dict[str, Any]:
        own = [task for task in tasks if task in planned[label]]
        return describe(found, label, own, seeds, bounds)

    agents = {}
    for label in labels:
        own = [g for g in all_groups if planned[label] & set(g.tasks)]
        tasks = [task for g in own for task in g.tasks if task in planned[label]]
        mixed = len({g.mode for g in own}) > 1
        agents[label] = {
            "algorithm": next(run.agent for run in runs if run.label == label),
            "checkpoints": _checkpoints(found, label),
            "overall": _nothing(MIXED) if mixed else of(label, tasks),
            "environments": {g.name: of(label, g.tasks) for g in own},
            "tasks": {task: of(label, [task]) for task in tasks},
        }
    return {
        "experiment": experiment,
        "evaluator": evaluator,
        "score": "success rate" if evaluator == "episodes" else "mean squared error at the end",
        "checkpoint": checkpoint if evaluator == "episodes" else "last",
        "level": LEVEL,
        "labels": labels,
        "baseline": baseline,
        "seeds": seeds,
        "environments": [
            {"name": g.name, "environment": g.environment, "mode": g.mode, "tasks": list(g.tasks)}
            for g in all_groups
        ],
        "versions": _versions(rows),
        "no_data": dict(no_data),
        "missing": [
            {"agent": run.label, "seed": run.seed, "tasks": list(run.tasks), "path": run.path}
            for run in missing
        ],
        "agents": agents,
        "comparisons": _comparisons(found, rows, labels, planned, all_groups, seeds, baseline)
        if evaluator == "episodes"
        else [],
    }


def _comparisons(
    found: pd.DataFrame,
    rows: pd.DataFrame,
    labels: Sequence[str],
    planned: dict[str, set[str]],
    all_groups: Sequence[Group],
    seeds: list[int],
    baseline: str | None,
) -> list[dict[str, Any]]:
    if baseline is None:
        pairs = [(other, first) for first, other in combinations(labels, 2)]
    else:
        pairs = [(label, baseline) for label in labels if label != baseline]
    episodes = by_episode(rows)
    result = []
    for label, other in pairs:
        shared = planned[label] & planned[other]
        common = [g for g in all_groups if shared & set(g.tasks)]
        tasks = [task for g in common for task in g.tasks if task in shared]

        def of(chosen: Sequence[str], pair: tuple[str, str] = (label, other)) -> dict[str, Any]:
            return compare(found, episodes, *pair, list(chosen), seeds)

        entry: dict[str, Any] = {"agent": label, "baseline": other}
        if tasks and len({g.mode for g in common}) == 1:
            entry["overall"] = of(tasks)
        entry["environments"] = {g.name: of([t for t in g.tasks if t in shared]) for g in common}
        entry["tasks"] = {task: of([task]) for task in tasks}
        result.append(entry)
    return result


def _checkpoints(found: pd.DataFrame, label: str) -> int | None:
    """Number of checkpoints in the reported mean; the smallest where runs differ."""
    if label not in found.index.get_level_values("agent"):
        return None
    return int(found.loc[label, "checkpoints"].min())


def _versions(rows: pd.DataFrame) -> dict[str, list[str]]:
    columns = [c for c in (*VERSIONS, "success_timing") if c in rows.columns]
    return {column: sorted(rows[column].unique().tolist()) for column in columns}
