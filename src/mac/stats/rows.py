"""The rows of an experiment: reading each evaluation's file, checking it, writing them together."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mac.errors import DataError
from mac.provenance import check
from mac.rows import EPISODES, KEYS, MODEL_ERROR, SCHEMAS, VERSIONS, write_table

COMMITTED = EPISODES.insert(0, pa.field("experiment", pa.string()))
MAY_BE_NAN = {"value_estimate", "discounted_return"}  # agents without a value function


@dataclass(frozen=True)
class EvaluationInput:
    """One evaluated run as the plan describes it; its file is checked against every field.

    Attributes:
        path: ``episodes.parquet`` or ``model_error.parquet``, relative to the repository's root.
        label: the agent's label in the experiment, the column of the table.
        agent: the agent's class name, as in the rows.
        environment: the environment's name, which groups tasks in tables, e.g. ``cube-single``.
        mode: ``reward`` or ``goal``; the two are never averaged together.
        tasks: the tasks the rows must be of: one in reward mode, an environment's in goal mode.
        seed: training seed.
        steps: evaluated checkpoints.
        episodes: per task and checkpoint; ignored for the evaluator ``model_error``.
        fingerprint: of the evaluation, as in the rows.
        evaluator: ``episodes`` or ``model_error``.
        followed: whether unsolved episodes with a value estimate were followed beyond their limit.
    """

    path: str
    label: str
    agent: str
    environment: str
    mode: str
    tasks: tuple[str, ...]
    seed: int
    steps: tuple[int, ...]
    episodes: int
    fingerprint: str
    evaluator: str = "episodes"
    followed: bool = False


def read(run: EvaluationInput, root: str | Path = ".") -> pd.DataFrame:
    """Rows of one evaluation, checked; the column ``agent`` becomes the run's label.

    Raises:
        DataError: naming the file, the column, what was found and what the plan expects.
    """
    path = Path(root) / run.path
    check(path)
    return checked(_load(path, SCHEMAS[run.evaluator]), run, path)


def checked(rows: pd.DataFrame, run: EvaluationInput, path: Path) -> pd.DataFrame:
    """Rows of one evaluation if they are what the plan describes; ``agent`` becomes the label.

    Episodes get a column ``value_gap``, the value estimate minus the return that it predicts; NaN
    where that return is not known.

    Raises:
        DataError: naming ``path``, where they are from, the column, found and expected.
    """
    wanted = {
        "agent": [run.agent],
        "seed": [run.seed],
        "fingerprint": [run.fingerprint],
        "task": list(run.tasks),
        "step": list(run.steps),
    }
    for column, values in wanted.items():
        found = sorted(rows[column].unique())
        if found != sorted(values):
            raise DataError(
                "rows of another run",
                file=path,
                key=column,
                found=_shown(found),
                expected=_shown(sorted(values)),
                remedy="delete the file to have it evaluated again",
            )
    keys = KEYS[run.evaluator]
    if (twice := rows.duplicated(keys)).any():
        first = rows.loc[twice, keys].iloc[0].to_dict()
        shown = ", ".join(f"{key} {value}" for key, value in first.items())
        raise DataError("two rows with one key", file=path, found=shown)
    if run.evaluator == "episodes":
        _check_episodes(rows, run, path)
        rows = rows.assign(value_gap=value_gap(rows, run.followed))
    else:
        _check_horizons(rows, path)
    return rows.assign(agent=run.label)


def value_gap(rows: pd.DataFrame, followed: bool) -> pd.Series:
    """Value estimate minus return, by episode.

    A value function looks beyond the step limit: the return of an unsolved episode that was not
    followed there lacks a part of unknown size. After success all rewards are 0.
    """
    gap = rows["value_estimate"] - rows["discounted_return"]
    return gap if followed else gap.where(rows["success"])


def read_committed(folder: Path) -> tuple[Path, pd.DataFrame]:
    """All rows committed in an experiment's folder, with their file; ``agent`` is the label."""
    path, errors = folder / "episodes.parquet", folder / "model_error.csv"
    if errors.is_file() and not path.is_file():
        return errors, parse_errors(errors.read_text(), errors)
    return path, _load(path, COMMITTED).drop(columns="experiment")


def parse_errors(text: str, name: str | Path) -> pd.DataFrame:
    """Rows of a ``model_error.csv``; ``agent`` is the label.

    Raises:
        DataError: naming the file ``name``, if ``text`` is no such table.
    """
    kinds = {pa.string(): str, pa.int64(): int, pa.float64(): float}
    try:
        rows = [
            {field.name: kinds[field.type](row[field.name]) for field in MODEL_ERROR}
            for row in csv.DictReader(text.splitlines())
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"no table of prediction errors ({error})", file=name) from None
    if not rows:
        raise DataError("no rows", file=name)
    return pd.DataFrame(rows)


def _load(path: Path, schema: pa.Schema) -> pd.DataFrame:
    try:
        table = pq.read_table(path, memory_map=False)
    except FileNotFoundError:
        raise DataError("no such file", file=path, remedy="evaluate the run first") from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"not a readable parquet file ({error})", file=path) from None
    if not table.schema.equals(schema):
        names, expected = table.schema.names, schema.names
        if sorted(names) != sorted(expected):
            odd = ", ".join(sorted(set(names) ^ set(expected)))
            raise DataError("columns missing or unknown", file=path, found=odd)
        for field in schema:
            kind = table.schema.field(field.name).type
            if kind != field.type:
                raise DataError(
                    "wrong type", file=path, key=field.name, found=kind, expected=field.type
                )
        table = table.select(expected)
    if not table.num_rows:
        raise DataError("no rows", file=path)
    for field in schema:
        column = table.column(field.name)
        if column.null_count:
            raise DataError("empty values", file=path, key=field.name, found=column.null_count)
        if pa.types.is_floating(field.type):
            values = column.to_numpy()
            bad = np.isinf(values) if field.name in MAY_BE_NAN else ~np.isfinite(values)
            if bad.any():
                raise DataError(
                    "values that are not finite",
                    file=path,
                    key=field.name,
                    found=f"{values[bad][0]} in row {int(bad.argmax())}",
                )
    return table.to_pandas()


def _check_episodes(rows: pd.DataFrame, run: EvaluationInput, path: Path) -> None:
    counts = rows.groupby(["task", "step"])["episode"].agg(["count", "min", "max"])
    expected = (run.episodes, 0, run.episodes - 1)
    for task in run.tasks:
        for step in run.steps:
            found = tuple(counts.loc[(task, step)]) if (task, step) in counts.index else (0, 0, 0)
            if found != expected:
                raise DataError(
                    f"wrong number of episodes of {task} at step {step}",
                    file=path,
                    key="episode",
                    found=f"{found[0]}, numbered {found[1]} to {found[2]}",
                    expected=f"{run.episodes}, numbered 0 to {run.episodes - 1}",
                )
    if (rows["length"] < 1).any():
        raise DataError("an episode without a step", file=path, key="length")
    without = rows["value_estimate"].isna()
    if without.any() and not without.all():
        raise DataError(
            "value estimates of some episodes only",
            file=path,
            key="value_estimate",
            found=f"{int(without.sum())} NaN of {len(rows)} rows",
        )
    if (rows["discounted_return"].isna() & ~without).any():
        raise DataError(
            "no return to compare the value estimate with", file=path, key="discounted_return"
        )


def _check_horizons(rows: pd.DataFrame, path: Path) -> None:
    if (rows["mse"] < 0).any():
        raise DataError("a negative squared error", file=path, key="mse")
    horizons = {tuple(sorted(h)) for _, h in rows.groupby(["task", "step"])["horizon"]}
    if len(horizons) > 1:
        raise DataError("horizons differ between tasks or steps", file=path, key="horizon")


def _shown(values: list) -> str:
    return ", ".join(map(str, values[:4])) + (", …" if len(values) > 4 else "")


def check_one_protocol(rows: pd.DataFrame, runs: Iterable[EvaluationInput]) -> None:
    """Refuse to put episodes together that were not played by the same rules.

    Raises:
        DataError: if package versions, or within one mode the success timing, differ; names a run
            of either side.
    """
    owners = {(run.label, run.seed, task): run for run in runs for task in run.tasks}
    for column in (*VERSIONS, "success_timing"):
        first: dict[str, tuple[str, str]] = {}
        used = rows[["agent", "seed", "task", column]].drop_duplicates()
        for label, seed, task, value in used.itertuples(index=False):
            run = owners[label, seed, task]
            if value == "n/a":  # a simulator that does not use the package
                continue
            group = run.mode if column == "success_timing" else ""
            known, path = first.setdefault(group, (value, run.path))
            if known != value:
                raise DataError(
                    "not comparable with the other runs of this experiment",
                    file=run.path,
                    key=column,
                    found=value,
                    expected=f"{known} as in {path}",
                    remedy="evaluate all runs with the same version",
                )


def write(path: str | Path, rows: pd.DataFrame, experiment: str) -> None:
    """Write all episodes of an experiment as parquet; equal rows give equal bytes."""
    ordered = rows.sort_values(KEYS["episodes"], kind="stable", ignore_index=True)
    ordered.insert(0, "experiment", experiment)
    arrays = [  # from_pandas=False keeps NaN apart from an empty value
        pa.array(ordered[field.name].to_numpy(), type=field.type, from_pandas=False)
        for field in COMMITTED
    ]
    write_table(path, pa.Table.from_arrays(arrays, schema=COMMITTED))
