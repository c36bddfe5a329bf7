"""What each cell of a table cost, from the records of the runs behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pandas as pd

from mac.report.cells import Cell, Column, Row, Table, magnitude
from mac.stats.recorded import hours

NOT_RECORDED = "not recorded"

Record = Mapping[str, Any]


class Records:
    """``runs.json``: records of evaluations, training stages and data by folder."""

    def __init__(self, by_folder: Mapping[str, Record]) -> None:
        self.by_folder = by_folder
        self._folders = defaultdict(list)
        for folder, record in by_folder.items():
            self._folders[record["fingerprint"]].append(folder)

    def hours(self, runs: pd.DataFrame) -> dict[str, float]:
        """Time of all jobs that some runs rest on, each once; see :func:`stats.recorded.hours`."""
        marks = zip(runs["fingerprint"], runs.index.get_level_values("seed"), strict=True)
        folders = {folder for mark, seed in marks for folder in self._behind(mark, seed)}
        return hours(self.by_folder[folder] for folder in sorted(folders))

    def _behind(self, fingerprint: str, seed: int) -> set[str]:
        """Folders of an artefact and of all that it rests on."""
        found: set[str] = set()
        for folder in self._folders.get(fingerprint, ()):
            record = self.by_folder[folder]
            if record.get("seed", seed) != seed:
                continue
            found.add(folder)
            for mark in record.get("inputs", {}).values():
                found |= self._behind(mark, seed)
        return found


def cost_table(summary: Mapping[str, Any], runs: pd.DataFrame, records: Records) -> Table:
    """Time behind every agent's numbers on an environment, and behind all of them.

    Stages that several agents or tasks share count in each row that rests on them, once a row.
    """
    cells: list[tuple[str, str, str, dict[str, float]]] = []
    for environment in summary["environments"]:
        chosen = runs[runs.index.get_level_values("task").isin(environment["tasks"])]
        for label in summary["labels"]:
            own = chosen[chosen.index.get_level_values("agent") == label]
            if len(own):
                cells.append((environment["name"], label, "mean", records.hours(own)))
    cells.append(("all, each job once", "", "overall", records.hours(runs)))
    longest = max(time.get("wall_hours", 0.0) for *_, time in cells)
    name, scale = ("hours", 1) if longest >= 2 else ("minutes", 60)
    titles = ("jobs", name, f"core-{name}", f"GPU-{name}")
    columns = (Column("", "l"), Column("agent", "l"), *map(Column, titles))
    rows = []
    for environment, label, kind, time in cells:
        shown = [Cell(NOT_RECORDED, muted=True), *[Cell()] * 3]
        if time:
            shown = [Cell(str(time["jobs"]))]
            for key in ("wall_hours", "cpu_hours", "gpu_hours"):
                shown.append(Cell(magnitude(time[key] * scale)))
        row = (Cell(environment), Cell(label), *shown)
        rows.append(Row(row, kind, environment if label else ""))
    notes = (
        "Time of all training and evaluation jobs that a row rests on, over its seeds and tasks."
        " Stages that agents or tasks share count in every row that uses them; the last row counts"
        " each job once.",
    )
    return Table("cost", "Cost", columns, tuple(rows), notes)
