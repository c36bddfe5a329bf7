"""Renders an experiment's folder: the same table three times, and the figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class RenderConfig:
    """What an experiment's YAML says about its table.

    Attributes:
        title: heading of the table; the experiment's name where empty.
        caption: plain text printed above the table: what it shows and which settings differ from the
            paper's, or that its numbers mean nothing.
        paper: name of the file in ``configs/paper`` whose numbers stand beside ours, or None.
        paper_columns: the paper's column of an agent's label, where the two names differ.
        value_error: whether to report value estimates against true returns.
    """

    title: str = ""
    caption: str = ""
    paper: str | None = None
    paper_columns: dict[str, str] = field(default_factory=dict)
    value_error: bool = False


def render(
    folder: str | Path,
    config: RenderConfig,
    *,
    fingerprint: str,
    paper_dir: str | Path = "configs/paper",
) -> list[Path]:
    """Write ``table.md``, ``table.tex``, ``table.html`` and ``figures/*.{svg,png}`` of an experiment.

    Reads only ``summary.json``, the rows that :func:`mac.stats.aggregate.aggregate` wrote beside it,
    and ``configs/paper``; equal inputs give equal bytes. Writes the stamp
    ``built/render-<fingerprint>.json``, unless the summary lists missing runs.

    Returns:
        The files written, the stamp last.
    """
    raise NotImplementedError
