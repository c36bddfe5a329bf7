"""Gathers the evaluations of one experiment: rows, scores, summary, stamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class EvaluationInput:
    """One evaluated run as the plan describes it; its file is checked against every field.

    Attributes:
        path: ``episodes.parquet`` or ``model_error.parquet``, relative to the repository's root.
        label: the agent's label in the experiment, the column of the table.
        agent: the agent's class name, as in the rows.
        environment: the environment's name, which groups tasks in tables, e.g. ``cube-single``.
        mode: ``reward`` or ``goal``; the two are never averaged together.
        tasks: the tasks the rows must be of: one in reward mode, all of an environment in goal mode.
        seed: training seed.
        steps: evaluated checkpoints.
        episodes: per task and checkpoint; 0 for the evaluator ``model_error``.
        fingerprint: of the evaluation, as in the rows.
        evaluator: ``episodes`` or ``model_error``.
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


def aggregate(
    evaluations: Sequence[EvaluationInput],
    out_dir: str | Path,
    *,
    experiment: str,
    checkpoint: str = "last",
    fingerprint: str,
    root: str | Path = ".",
    allow_missing: bool = False,
) -> list[Path]:
    """Check all rows of an experiment and write what tables and figures are made of.

    Writes into ``out_dir`` (``results/<experiment>``), with equal bytes for equal rows:
    ``episodes.parquet``, ``scores.csv``, ``summary.json`` (``model_error.csv`` instead of the first
    two for the evaluator ``model_error``) and the stamp ``built/aggregate-<fingerprint>.json``.
    Agents and tasks appear in tables in the order in which ``evaluations`` first names them.

    Args:
        evaluations: every run of the experiment.
        out_dir: the experiment's folder.
        experiment: the experiment's name.
        checkpoint: reported checkpoint, ``last`` or ``mean_last_3``.
        fingerprint: of this job, for the stamp.
        root: folder that the paths of ``evaluations`` are relative to.
        allow_missing: list runs whose file is missing in the summary instead of refusing; no stamp is
            written then, so that planning still counts the job as to be done.

    Returns:
        The files written, the stamp last (none with missing runs).

    Raises:
        DataError: naming file, column, found and expected, if a file is missing or disagrees with
            its :class:`EvaluationInput`, or if files come from different package versions.
    """
    raise NotImplementedError


def read_summary(folder: str | Path) -> dict[str, Any]:
    """``summary.json`` of an experiment's folder."""
    raise NotImplementedError
