"""Where Snakemake's executor for Slurm, version 2.8.0, is mended."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from types import ModuleType


def trust_squeue(executor: ModuleType | None) -> None:
    """Let the executor go on asking ``squeue`` while Slurm's controller does not answer.

    Before each query it asks ``scontrol`` for how long finished jobs are listed, and turns to
    ``sacct`` where it hears nothing for ten seconds. Without an accounting database it then repeats
    that query as often as it has attempts, which is for ever. It gets the last answer instead;
    before the first one, that jobs are listed long enough.

    Args:
        executor: the executor's module; None where the workflow runs without it.
    """
    if executor is not None:
        executor.get_min_job_age = _last_known(executor.get_min_job_age)


def _last_known(ask: Callable[[], float | None]) -> Callable[[], float]:
    known = math.inf

    @wraps(ask)
    def answer() -> float:
        nonlocal known
        heard = ask()
        known = known if heard is None else heard
        return known

    return answer
