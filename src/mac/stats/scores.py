"""From episodes to one score for each run: task x agent x seed, at the reported checkpoint."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd

from mac.errors import ConfigError
from mac.io import atomic_write_text
from mac.stats.sampling import sampling_variance

CHECKPOINTS = {"last": 1, "mean_last_3": 3}
CELL = ["agent", "task", "seed"]
SCORES = (
    *("experiment", "task", "agent", "seed", "step"),
    *("episodes", "success_rate", "return_mean", "fingerprint"),
)
MODEL_ERROR = (
    *("experiment", "task", "agent", "seed", "step"),
    *("horizon", "mse", "windows", "fingerprint"),
)


def reported(rows: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Rows of the checkpoints that count: the last, or each run's last three.

    A run with fewer checkpoints counts with those it has; the summary says how many there were.
    """
    if rule not in CHECKPOINTS:
        raise ConfigError(
            "unknown rule",
            key="report.checkpoint",
            found=rule,
            expected=" or ".join(CHECKPOINTS),
        )
    rank = rows.groupby(CELL)["step"].rank(method="dense", ascending=False)
    return rows[rank <= CHECKPOINTS[rule]]


def by_episode(rows: pd.DataFrame) -> pd.Series:
    """Success of each episode number, averaged over checkpoints, by agent, task, seed, episode.

    Checkpoints of a run are played from the same initial states, so an episode number, not a
    single episode, is what counts as one draw.
    """
    return rows.groupby([*CELL, "episode"])["success"].mean()


def cells(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each agent, task and seed of the reported ``rows``.

    Columns: score (success rate), variance (its sampling variance), step (last), checkpoints,
    episodes (all that were averaged), return_mean, fingerprint.
    """
    grouped = rows.groupby(CELL)
    found = pd.DataFrame(
        {
            "score": grouped["success"].mean(),
            "variance": by_episode(rows)
            .groupby(level=CELL)
            .agg(lambda episodes: float(sampling_variance(episodes.to_numpy()))),
            "step": grouped["step"].max(),
            "checkpoints": grouped["step"].nunique(),
            "episodes": grouped.size(),
            "return_mean": grouped["return"].mean(),
            "fingerprint": grouped["fingerprint"].first(),
        }
    )
    return found


def value_cells(rows: pd.DataFrame) -> pd.DataFrame:
    """How far value estimates lie from returns, one row for each agent, task and seed.

    Columns: value_bias (mean of the column ``value_gap``), value_error (mean of its magnitude);
    both NaN if the gap of any episode is: what is known is not a fair sample of all.
    """

    def mean(gap: pd.Series) -> pd.Series:
        return gap.groupby([rows[key] for key in CELL]).agg(lambda cell: cell.mean(skipna=False))

    gap = rows["value_gap"]
    return pd.DataFrame({"value_bias": mean(gap), "value_error": mean(gap.abs())})


def model_error_cells(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each agent, task and seed of model-error ``rows``: the error at the end.

    Columns: score (mean squared error at the longest horizon that all runs of the task have,
    last checkpoint), variance (0: it is not estimated), step, checkpoints, episodes (windows),
    horizon, fingerprint.
    """
    last = reported(rows, "last")
    longest = last.groupby(CELL)["horizon"].max().groupby(level="task").min().rename("longest")
    at = last.join(longest, on="task")
    # Chunks of other lengths have other horizons: the longest one up to the common end.
    at = at[at["horizon"] <= at["longest"]]
    at = at.loc[at.groupby(CELL)["horizon"].idxmax()].set_index(CELL).sort_index()
    return pd.DataFrame(
        {
            "score": at["mse"],
            "variance": 0.0,
            "step": at["step"],
            "checkpoints": 1,
            "episodes": at["windows"],
            "horizon": at["horizon"],
            "fingerprint": at["fingerprint"],
        }
    )


def matrix(
    found: pd.DataFrame, agent: str, tasks: list[str], seeds: list[int], column: str = "score"
) -> np.ndarray:
    """Values of one agent as (seeds, tasks); NaN where the run is missing."""
    if agent not in found.index.get_level_values("agent"):
        return np.full((len(seeds), len(tasks)), np.nan)
    values = found[column].xs(agent, level="agent").unstack("task")
    return values.reindex(index=seeds, columns=tasks).to_numpy(dtype=float)


def write_csv(path: str | Path, frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    """Write rows in the given columns, sorted by task, agent, seed; floats in full precision."""
    order = [c for c in ("task", "agent", "seed", "step", "horizon") if c in columns]
    ordered = frame.sort_values(order, kind="stable")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in ordered[list(columns)].itertuples(index=False):
        writer.writerow([repr(float(v)) if isinstance(v, float) else v for v in row])
    atomic_write_text(path, text.getvalue())


def read_runs(path: str | Path) -> pd.DataFrame:
    """Runs of ``scores.csv`` or ``model_error.csv`` by agent, task, seed: step, fingerprint, score.

    ``score`` is the success rate; absent for prediction errors, which have many a run.
    """
    text = {"experiment": str, "task": str, "agent": str, "fingerprint": str}
    rows = pd.read_csv(path, dtype=text, keep_default_na=False)
    runs = rows.drop_duplicates(CELL, keep="last").set_index(CELL).sort_index()
    kept = ["step", "fingerprint", *(["success_rate"] if "success_rate" in runs else [])]
    return runs[kept].rename(columns={"success_rate": "score"})
