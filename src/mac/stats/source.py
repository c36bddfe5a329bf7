"""Where an evaluation's rows are: in its own file, or among those committed with the experiment."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mac.io import read_json, sha256_file
from mac.stamps import committed
from mac.stats.rows import EvaluationInput, checked, read, read_committed


class Source:
    """Rows of an experiment's evaluations.

    Evaluations are not in git; what was committed of them are their rows, all in one file, and in
    the stamp beside it the hash of each evaluation's own. So a clone needs no evaluation again that
    is committed, and what is made of either kind of rows is the same to the byte.

    Args:
        folder: the experiment's folder.
        root: folder that the paths of evaluations are relative to.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root = folder, root

    @cached_property
    def committed(self) -> Mapping[str, str]:
        """SHA-256 by path of the evaluations whose rows are committed."""
        return committed(self.folder)

    @cached_property
    def runs(self) -> Mapping[str, Mapping[str, Any]]:
        """What is committed of the runs behind the rows; see :func:`mac.provenance.gather`."""
        path = self.folder / "runs.json"
        return read_json(path) if self.committed and path.is_file() else {}

    def __contains__(self, run: EvaluationInput) -> bool:
        return (self.root / run.path).is_file() or run.path in self.committed

    def sha256(self, run: EvaluationInput) -> str:
        """Hash of the evaluation's own file."""
        path = self.root / run.path
        return sha256_file(path) if path.is_file() else self.committed[run.path]

    @cached_property
    def _committed_rows(self) -> tuple[Path, pd.DataFrame]:
        return read_committed(self.folder)

    def rows(self, run: EvaluationInput) -> pd.DataFrame:
        """Rows of one evaluation, checked; the column ``agent`` becomes the run's label."""
        if (self.root / run.path).is_file():
            return read(run, self.root)
        path, rows = self._committed_rows
        mine = (rows["fingerprint"] == run.fingerprint) & (rows["seed"] == run.seed)
        own = rows[mine & rows["task"].isin(run.tasks)]
        own = own[own["agent"] == own["agent"].min()]  # once, where several labels share it
        return checked(own.assign(agent=run.agent).reset_index(drop=True), run, path)
