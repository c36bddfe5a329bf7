"""Gathers the evaluations of one experiment: rows, scores, summary, stamp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from mac.errors import ConfigError, DataError
from mac.io import write_json
from mac.provenance import gather
from mac.stamps import write_stamp
from mac.stats.committed import read_summary
from mac.stats.diagnoses import Diagnoses
from mac.stats.rows import EvaluationInput, check_one_protocol, write
from mac.stats.scores import (
    MODEL_ERROR,
    SCORES,
    cells,
    model_error_cells,
    reported,
    value_cells,
    write_csv,
)
from mac.stats.source import Source
from mac.stats.summary import summarise

__all__ = ["EvaluationInput", "aggregate", "read_summary"]


def aggregate(
    evaluations: Sequence[EvaluationInput],
    out_dir: str | Path,
    *,
    experiment: str,
    fingerprint: str,
    checkpoint: str = "last",
    baseline: str | None = None,
    no_data: Mapping[str, str] | None = None,
    diagnoses: Mapping[str, str] | None = None,
    artefacts: Mapping[str, str] | None = None,
    root: str | Path = ".",
    allow_missing: bool = False,
) -> list[Path]:
    """Check all rows of an experiment and write what tables and figures are made of.

    The rows of evaluations whose file is not there come from those committed in ``out_dir``.

    Writes into ``out_dir`` (``results/<experiment>``), with equal bytes for equal rows:
    ``episodes.parquet``, ``scores.csv``, ``summary.json`` (``model_error.csv`` instead of the first
    two for the evaluator ``model_error``); ``runs.json``, with the runs' times;
    ``diagnostics.json`` and ``films``, where runs were diagnosed; and the stamp
    ``built/aggregate-<fingerprint>.json``. Agents and tasks appear in tables in the order in which
    ``evaluations`` first names them.

    Args:
        evaluations: every run of the experiment.
        out_dir: the experiment's folder.
        experiment: the experiment's name.
        fingerprint: of this job, for the stamp.
        checkpoint: which checkpoints are reported, ``last`` or ``mean_last_3``.
        baseline: label that every other agent is compared with; None compares all pairs.
        no_data: environments left out because their data cannot be had, and why.
        diagnoses: label by path of every diagnosis.
        artefacts: fingerprint by folder of everything the rows rest on, for ``runs.json``; see
            :func:`mac.provenance.gather`.
        root: folder that the paths of ``evaluations`` are relative to.
        allow_missing: list runs without rows in the summary instead of refusing; the stamp then
            bears another fingerprint, so that planning still counts the job as to be done.

    Returns:
        The files written, the stamp last.

    Raises:
        DataError: naming file, column, found and expected, if rows are missing, disagree with their
            :class:`EvaluationInput` or come from different package versions, or if committed ones
            that are needed were changed since.
        ConfigError: if the runs cannot stand in one table.
    """
    out, root = Path(out_dir), Path(root)
    _check_runs(evaluations, experiment, baseline)
    source = Source(out, root)
    missing = [run for run in evaluations if run not in source]
    if missing and not allow_missing:
        raise DataError(
            f"{len(missing)} of {len(evaluations)} evaluations are missing",
            file=root / missing[0].path,
            remedy=f"evaluate {missing[0].label} seed {missing[0].seed} first",
        )
    present = [run for run in evaluations if run not in missing]
    if not present:
        raise DataError("no evaluation of this experiment exists", file=out)
    rows = pd.concat([source.rows(run) for run in present], ignore_index=True)
    hashes = {run.path: source.sha256(run) for run in present}
    looks = Diagnoses.read(diagnoses or {}, source, allow_missing)
    runs = gather(artefacts or {}, root, lambda: source.runs)
    played = evaluations[0].evaluator == "episodes"
    if played:
        check_one_protocol(rows, present)
    used = reported(rows, checkpoint) if played else rows
    found = cells(used).join(value_cells(used)) if played else model_error_cells(rows)
    summary = summarise(
        evaluations, found, used, experiment, checkpoint, baseline, missing, no_data or {}
    )
    # All at once: in a clone an old stamp must vouch for the old rows until the new one is there.
    if played:
        write(out / "episodes.parquet", rows, experiment)
        table = found.rename(columns={"score": "success_rate"}).reset_index()
        write_csv(out / "scores.csv", table.assign(experiment=experiment), SCORES)
        names = ["episodes.parquet", "scores.csv", "summary.json"]
    else:
        write_csv(out / "model_error.csv", rows.assign(experiment=experiment), MODEL_ERROR)
        names = ["model_error.csv", "summary.json"]
    write_json(out / "summary.json", summary)
    (out / "runs.json").unlink(missing_ok=True)
    if runs:
        write_json(out / "runs.json", runs)
        names.append("runs.json")
    names += looks.write(out)
    files = [out / name for name in sorted(names)]
    mark = f"{fingerprint}-in-part" if missing else fingerprint
    return [*files, write_stamp(out, "aggregate", mark, files, hashes | looks.hashes)]


def _check_runs(
    evaluations: Sequence[EvaluationInput], experiment: str, baseline: str | None
) -> None:
    if not evaluations:
        raise ConfigError("an experiment without runs", key=experiment)
    found = sorted({run.evaluator for run in evaluations})
    if len(found) > 1:
        raise ConfigError(
            "agents of one table must share an evaluator", key=experiment, found=", ".join(found)
        )
    labels = list(dict.fromkeys(run.label for run in evaluations))
    if baseline is not None and baseline not in labels:
        raise ConfigError(
            "no agent of this label",
            file=experiment,
            key="baseline",
            found=baseline,
            expected=", ".join(labels),
        )
    seen: dict[tuple[str, int, str], str] = {}
    for run in evaluations:
        for task in run.tasks:
            if other := seen.get((run.label, run.seed, task)):
                raise ConfigError(
                    f"two evaluations of {run.label} on {task} with seed {run.seed}",
                    file=run.path,
                    found=other,
                )
            seen[run.label, run.seed, task] = run.path
