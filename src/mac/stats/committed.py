"""The results of one experiment as a commit or a folder has them, checked against their stamp."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mac.errors import DataError, MacError
from mac.io import read_json
from mac.revisions import Tree
from mac.rows import EPISODES, KEYS
from mac.seals import unsealed
from mac.stats.rows import parse_errors
from mac.stats.scores import by_episode, cells, reported

RESULTS = "results"
STORES = {"store", "raw"}  # inputs that are data, not a trained stage


def experiments(tree: Tree) -> list[str]:
    """Names of the experiments that have results."""
    return [PurePosixPath(path).parts[1] for path in tree.glob(f"{RESULTS}/*/summary.json")]


@dataclass(frozen=True)
class Results:
    """Committed results of one experiment.

    Attributes:
        experiment: its name.
        rows: of the reported checkpoints: episodes, or prediction errors.
        summary: ``summary.json``.
        runs: ``runs.json``; empty where nothing was recorded.
        revision: of the statistics, from the stamp; None without one.
    """

    experiment: str
    rows: pd.DataFrame
    summary: Mapping[str, Any]
    runs: Mapping[str, Mapping[str, Any]]
    revision: int | None

    @cached_property
    def cells(self) -> pd.DataFrame:
        """:func:`mac.stats.scores.cells` of the rows."""
        return cells(self.rows)

    @cached_property
    def episodes(self) -> pd.Series:
        """:func:`mac.stats.scores.by_episode` of the rows."""
        return by_episode(self.rows)

    @cached_property
    def by_cell(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Reported rows of each task and agent, in one order."""
        ordered = self.rows.sort_values(KEYS[self.summary["evaluator"]], kind="stable")
        return {key: group for key, group in ordered.groupby(["task", "agent"])}

    @cached_property
    def environments(self) -> dict[str, Mapping[str, Any]]:
        """Environment (name, mode) of each task."""
        return {task: entry for entry in self.summary["environments"] for task in entry["tasks"]}

    @cached_property
    def _known(self) -> dict[tuple[str, int | None], Mapping[str, Any]]:
        return {(run["fingerprint"], run.get("seed")): run for run in self.runs.values()}

    def artefacts(self, fingerprint: str, seed: int) -> set[str]:
        """Fingerprints of an evaluation and of the trained stages behind it, as far as recorded."""
        found, wanted = set(), [fingerprint]
        while wanted:
            mark = wanted.pop()
            if mark not in found:
                found.add(mark)
                inputs = self._known.get((mark, seed), {}).get("inputs", {})
                wanted += [m for role, m in inputs.items() if role not in STORES]
        return found

    def data(self, fingerprint: str, seed: int) -> dict[str, str]:
        """What is known of the data behind an evaluation: ``store`` and ``data`` fingerprints."""
        store = self._known.get((fingerprint, seed), {}).get("inputs", {}).get("store")
        if store is None:
            return {}
        content = self._known.get((store, None), {}).get("data")
        return {"store": store} | ({"data": content} if content else {})


def read_results(tree: Tree, experiment: str) -> Results:
    """Results of an experiment.

    Raises:
        DataError: naming the file that is missing, unreadable or not what its stamp vouches for.
    """
    folder = f"{RESULTS}/{experiment}"
    stamps = [
        unsealed(_json(tree, path, tree.read(path)), _named(tree, path))
        for path in tree.glob(f"{folder}/built/aggregate-*.json")
    ]

    def read(name: str) -> bytes:
        content = tree.read(f"{folder}/{name}")
        for stamp in stamps:
            expected = stamp.get("files", {}).get(name, "nothing")
            if (found := hashlib.sha256(content).hexdigest()) != expected:
                raise DataError(
                    "file differs from its stamp",
                    file=_named(tree, f"{folder}/{name}"),
                    found=found[:12],
                    expected=expected[:12],
                    remedy=f"run `mac aggregate {experiment}` there and commit what it writes",
                )
        return content

    def values(name: str) -> Any:
        return _json(tree, f"{folder}/{name}", read(name))

    summary = values("summary.json")
    needed = {"agents", "checkpoint", "environments", "evaluator"}
    if not isinstance(summary, dict) or not needed <= set(summary):
        raise DataError("not a summary", file=_named(tree, f"{folder}/summary.json"))
    name, parse = FILES[summary["evaluator"]]
    rows, keys = parse(read(name), _named(tree, f"{folder}/{name}")), KEYS[summary["evaluator"]]
    if rows.duplicated(keys).any():
        raise DataError("two rows with one key", file=_named(tree, f"{folder}/{name}"))
    return Results(
        experiment,
        reported(rows, summary["checkpoint"]),
        summary,
        values("runs.json") if tree.glob(f"{folder}/runs.json") else {},
        stamps[0].get("revision") if stamps else None,
    )


def read_summary(folder: str | Path) -> dict[str, Any]:
    """``summary.json`` of an experiment's folder, as aggregation wrote it."""
    path = Path(folder) / "summary.json"
    remedy = "run `mac aggregate` again"
    summary = read_json(path, remedy)
    if not isinstance(summary, dict) or not {"agents", "labels", "environments"} <= set(summary):
        raise DataError("not a summary", file=path, remedy=remedy)
    return summary


def _episodes(content: bytes, name: str) -> pd.DataFrame:
    try:
        table = pq.read_table(io.BytesIO(content))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"not a readable parquet file ({error})", file=name) from None
    if missing := set(EPISODES.names) - set(table.schema.names):
        raise DataError("columns missing", file=name, found=", ".join(sorted(missing)))
    return table.select(EPISODES.names).to_pandas()


# The file with an experiment's rows and how it is read, by evaluator.
FILES = {
    "episodes": ("episodes.parquet", _episodes),
    "model_error": ("model_error.csv", lambda content, name: parse_errors(content.decode(), name)),
}


def _json(tree: Tree, path: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise DataError(f"not valid JSON ({error})", file=_named(tree, path)) from None


def _named(tree: Tree, path: str) -> str:
    return f"{tree.name}:{path}"


def read_all(tree: Tree, chosen: tuple[str, ...]) -> dict[str, Results]:
    """Results of the chosen experiments that the tree has, or of all it has.

    Raises:
        MacError: if it has none of them.
    """
    known = experiments(tree)
    wanted = [name for name in known if name in chosen] if chosen else known
    if not wanted:
        raise MacError(
            f"no results of {', '.join(chosen)}" if chosen else "no results",
            file=tree.name,
            expected=", ".join(known) or f"{RESULTS}/EXPERIMENT/summary.json",
        )
    return {name: read_results(tree, name) for name in wanted}
