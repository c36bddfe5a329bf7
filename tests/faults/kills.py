"""Every kind of job, killed at random moments and started again until it is done."""

from __future__ import annotations

import signal
import subprocess

import numpy as np

from mac.planning.job import Job
from tests.faults.lab import Lab, Outcome, Project, canonical, forget, label, start

SIGNALS = (signal.SIGKILL, signal.SIGTERM)


def kills(lab: Lab, faults: int) -> Outcome:
    """Strike ``faults`` times, as often at each job, and compare what each wrote at the end.

    A job that is done before all its strikes have fallen is forgotten and done again. Moments are
    uniform over the undisturbed duration of the job's kind; half of the strikes hit the process
    alone, as a scheduler or the kernel does, half its whole group.
    """
    outcome, project, draws = Outcome("kills"), lab.fresh("kills"), lab.draws("kills")
    for index, job in enumerate(lab.jobs):
        left = (faults + index) // len(lab.jobs)
        while True:
            struck, failure = _until_done(lab, project, job, left, draws)
            for kind in struck:
                outcome.count(kind, failure)
            outcome.compare(lab.bytes_of(project, job), lab.bytes_of(lab.project, job))
            left -= len(struck)
            if left == 0 or failure is not None:
                break
            forget(project, job)
    outcome.compare(canonical(project), lab.canonical)
    return outcome


def _until_done(
    lab: Lab, project: Project, job: Job, most: int, draws: np.random.Generator
) -> tuple[list[str], str | None]:
    """Strike a job at most so often until it is done; returns the strikes and what went wrong."""
    struck: list[str] = []
    while True:
        process = start(project, job)
        moment = draws.uniform(0.0, lab.seconds[label(job)]) if len(struck) < most else None
        try:
            code = process.wait(moment)
        except subprocess.TimeoutExpired:
            number, group = SIGNALS[draws.integers(2)], bool(draws.integers(2))
            struck.append(f"{label(job)} {number.name}")
            if (failure := process.strike(number, group=group)) is not None:
                return struck, failure
            continue
        return struck, None if code == 0 else f"a later attempt ended with exit code {code}"
