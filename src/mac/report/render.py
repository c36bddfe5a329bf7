"""Renders an experiment's folder: its tables in every form, its figures, and its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mac.errors import DataError
from mac.io import atomic_write_text, read_json
from mac.report.claims import load
from mac.report.costs import Records
from mac.report.drawing import inline
from mac.report.figures.draw import draw
from mac.report.figures.style import THEMED
from mac.report.fill import fill
from mac.report.flat import csv_table
from mac.report.notes import notes
from mac.report.page import cost_section, diagnosis_sections, facts, sections, traces
from mac.report.tuning import tunings
from mac.report.verdicts import comparisons, counted
from mac.stamps import check_stamp, withdraw, write_stamp
from mac.stats.aggregate import read_summary
from mac.stats.diagnoses import read_diagnoses
from mac.stats.scores import read_runs

ROWS = {"episodes": "scores.csv", "model_error": "model_error.csv"}


@dataclass(frozen=True)
class RenderConfig:
    """What an experiment's YAML says about its table.

    Attributes:
        title: heading of the table; the experiment's name where empty.
        caption: plain text above the table: what it shows and which settings differ from the
            paper's, or that its numbers mean nothing.
        paper: file with the paper's numbers that stand beside ours, or None.
        settings: ``label``, ``environment``, ``mode``, resolved ``config`` and, if it is told,
            ``tuning`` of every cell: whether it compares with the paper's, and how its values were
            found.
    """

    title: str = ""
    caption: str = ""
    paper: Path | None = None
    settings: tuple[Mapping[str, Any], ...] = ()


def render(folder: str | Path, config: RenderConfig, *, fingerprint: str) -> list[Path]:
    """Write ``table.{md,tex,html,csv}``, ``figures/*.{svg,png}`` and ``report.html``.

    Reads only what :func:`mac.stats.aggregate.aggregate` wrote into ``folder``, which must agree
    with its stamp, and the paper's numbers; equal inputs give equal bytes. Writes the stamp
    ``built/render-<fingerprint>.json``, unless the summary lists missing runs.

    Returns:
        The files written, the stamp last.

    Raises:
        DataError: if the summary or the rows are missing or were changed since.
    """
    folder = Path(folder)
    evaluations = _evaluations(folder)
    summary = read_summary(folder)
    claims = load(config.paper) if config.paper else None
    if summary["missing"]:
        withdraw(folder, "render")
    runs = read_runs(folder / ROWS[summary["evaluator"]])
    drawn, files = draw(folder / "figures", summary, _rows(folder, summary), runs, claims)
    for stale in set((folder / "figures").glob("*")) - set(files):
        stale.unlink()
    compared = comparisons(summary, claims, config.settings)
    tuned = tunings(summary, config.settings)
    parts = sections(summary, runs, claims, compared, tuned)
    content = {
        "experiment": summary["experiment"],
        "title": config.title or summary["experiment"],
        "caption": " ".join(config.caption.split()),
        "tables": [table for section in parts for table in section.tables],
        "notes": tuple(notes(summary)),
        "labels": summary["labels"],
    }
    texts = {f"table.{kind}": fill(f"table.{kind}.j2", content) for kind in ("md", "tex", "html")}
    texts["table.csv"] = csv_table(summary, compared, tuned)
    path = folder / "runs.json"
    records = Records(read_json(path) if path.is_file() else {})
    report = {
        "sections": [
            *parts,
            *diagnosis_sections(read_diagnoses(folder), summary, folder),
            cost_section(summary, runs, records),
        ],
        "figures": {
            figure.name: {
                "svg": inline(
                    (folder / f"figures/{figure.name}.svg").read_bytes(),
                    figure.name,
                    figure.alt,
                    THEMED,
                ),
                "caption": figure.caption,
            }
            for figure in drawn
        },
        "facts": facts(summary, runs, records),
        "verdicts": counted(compared),
        "traces": traces(summary, runs),
    }
    texts["report.html"] = fill("report.html.j2", content | report)
    for name, text in texts.items():
        atomic_write_text(folder / name, text)
        files.append(folder / name)
    if not summary["missing"]:
        files.append(write_stamp(folder, "render", fingerprint, files, evaluations))
    return files


def _evaluations(folder: Path) -> dict[str, str]:
    """Hashes of the evaluations behind the summary, from its stamp, which must still hold."""
    stamps = sorted((folder / "built").glob("aggregate-*.json"))
    if len(stamps) != 1:
        raise DataError(
            "needs exactly one stamp of aggregate",
            file=folder / "built",
            found=len(stamps),
            remedy=f"run `mac aggregate {folder.name}` again",
        )
    return check_stamp(stamps[0])["evaluations"]


def _rows(folder: Path, summary: dict[str, Any]) -> pd.DataFrame:
    if summary["evaluator"] == "model_error":
        text = {"task": str, "agent": str, "fingerprint": str}
        return pd.read_csv(folder / "model_error.csv", dtype=text, keep_default_na=False)
    columns = ["task", "agent", "seed", "step", "success"]
    return pd.read_parquet(folder / "episodes.parquet", columns=columns)
