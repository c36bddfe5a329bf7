"""Renders an experiment's folder: the same tables three times, and the figures."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mac.errors import DataError
from mac.io import atomic_write_text, read_json
from mac.report.claims import load
from mac.report.figures import Drawn, draw
from mac.report.fill import fill
from mac.report.tables import notes, tables
from mac.stamps import check_stamp, withdraw, write_stamp
from mac.stats.aggregate import read_summary


@dataclass(frozen=True)
class RenderConfig:
    """What an experiment's YAML says about its table.

    Attributes:
        title: heading of the table; the experiment's name where empty.
        caption: plain text above the table: what it shows and which settings differ from the
            paper's, or that its numbers mean nothing.
        paper: file with the paper's numbers that stand beside ours, or None.
    """

    title: str = ""
    caption: str = ""
    paper: Path | None = None


def render(folder: str | Path, config: RenderConfig, *, fingerprint: str) -> list[Path]:
    """Write ``table.md``, ``table.tex``, ``table.html`` and ``figures/*.{svg,png}``.

    Reads only what :func:`mac.stats.aggregate.aggregate` wrote into ``folder``, which must agree
    with its stamp, and the paper's numbers; equal inputs give equal bytes. Writes the stamp
    ``built/render-<fingerprint>.json``, unless the summary lists missing runs.

    Returns:
        The files written, the stamp last.

    Raises:
        DataError: if the summary or the rows are missing or were changed since.
    """
    folder = Path(folder)
    summary = read_summary(folder)
    evaluations = _evaluations(folder, summary)
    claims = load(config.paper) if config.paper else None
    if summary["missing"]:
        withdraw(folder, "render")
    drawn, files = draw(folder / "figures", summary, _rows(folder, summary), claims)
    for stale in set((folder / "figures").glob("*")) - set(files):
        stale.unlink()
    content = {
        "experiment": summary["experiment"],
        "title": config.title or summary["experiment"],
        "caption": " ".join(config.caption.split()),
        "tables": tables(summary, claims),
        "notes": tuple(notes(summary)),
        "figures": [_embedded(folder / "figures", figure) for figure in drawn],
    }
    for kind in ("md", "tex", "html"):
        path = folder / f"table.{kind}"
        atomic_write_text(path, fill(f"table.{kind}.j2", content))
        files.append(path)
    if not summary["missing"]:
        files.append(write_stamp(folder, "render", fingerprint, files, evaluations))
    return files


def _evaluations(folder: Path, summary: dict[str, Any]) -> dict[str, str]:
    """Hashes of the evaluations behind the summary, from its stamp, which must still hold."""
    stamps = sorted((folder / "built").glob("aggregate-*.json"))
    if summary["missing"]:
        return {}
    if len(stamps) != 1:
        raise DataError(
            "needs exactly one stamp of aggregate",
            file=folder / "built",
            found=len(stamps),
            remedy=f"run `mac aggregate {summary['experiment']}` again",
        )
    check_stamp(stamps[0])
    return read_json(stamps[0])["evaluations"]


def _rows(folder: Path, summary: dict[str, Any]) -> pd.DataFrame:
    if summary["evaluator"] == "model_error":
        return pd.read_csv(folder / "model_error.csv")
    columns = ["task", "agent", "seed", "step", "success"]
    return pd.read_parquet(folder / "episodes.parquet", columns=columns)


def _embedded(folder: Path, figure: Drawn) -> dict[str, Any]:
    svg = (folder / f"{figure.name}.svg").read_bytes()
    return {**vars(figure), "base64": base64.b64encode(svg).decode()}
