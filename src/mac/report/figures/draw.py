"""Draws an experiment's figures into files; equal data give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mac.io import atomic_write_bytes
from mac.report.claims import Claims
from mac.report.figures.curves import curves
from mac.report.figures.intervals import intervals
from mac.report.figures.model_error import model_error
from mac.report.figures.profiles import profiles
from mac.report.figures.style import DPI, STYLE


@dataclass(frozen=True)
class Drawn:
    """A figure that was written: its name, what it shows in words, and its size in pixels."""

    name: str
    alt: str
    caption: str
    width: int
    height: int


def _save(figure: Figure, folder: Path, name: str) -> list[Path]:
    FigureCanvasAgg(figure)
    written = []
    for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata, dpi=DPI)
        path = folder / f"{name}.{kind}"
        atomic_write_bytes(path, buffer.getvalue())
        written.append(path)
    return written


def draw(
    folder: Path,
    summary: Mapping[str, Any],
    rows: pd.DataFrame,
    runs: pd.DataFrame,
    claims: Claims | None,
) -> tuple[list[Drawn], list[Path]]:
    """Draw all figures of an experiment into ``folder``.

    Args:
        folder: where ``<name>.svg`` and ``<name>.png`` go.
        summary: content of ``summary.json``.
        rows: all rows: episodes of every checkpoint, or the model error's.
        runs: their scores, of :func:`mac.stats.scores.read_runs`.
        claims: the paper's numbers, or None.
    """
    plans: list[tuple[str, Callable[[], tuple[Figure, str, str] | None]]]
    if summary["evaluator"] == "model_error":
        plans = [("model_error", lambda: model_error(summary, rows))]
    else:
        plans = [
            ("intervals", lambda: intervals(summary, claims)),
            ("curves", lambda: curves(summary, rows)),
            ("profiles", lambda: profiles(summary, runs)),
        ]
    drawn, files = [], []
    with mpl.rc_context({**mpl.rcParamsDefault, **STYLE}):
        for name, plan in plans:
            if (made := plan()) is None:
                continue
            figure, alt, caption = made
            files += _save(figure, folder, name)
            width, height = (round(float(side) * 96) for side in figure.get_size_inches())
            drawn.append(Drawn(name, alt, caption, width, height))
    return drawn, files
