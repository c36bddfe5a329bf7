"""Clocks that jump and modification times that mean nothing: nothing more is done, nothing less."""

from __future__ import annotations

import os
import shutil
import time
from functools import partial

import numpy as np

from tests.faults.lab import Lab, Outcome, Project, canonical, forget, plan

YEAR_S = 365.25 * 86400.0
JUMPS = (8.0, -8.0)  # years by which a clock was wrong while the first half of the work was done
SECOND_HALF = ("evaluate", "aggregate", "render")


def clocks(lab: Lab, faults: int) -> Outcome:
    """Scramble every modification time; then work after a clock was set back, and forward."""
    outcome, name = Outcome("clocks"), list(lab.experiments)[-1]
    project, draws = lab.copy("clocks"), lab.draws("clocks")
    kinds = {"times scrambled": lambda: _scrambled(project, name, draws)} | {
        f"clock jumped {-years:+.0f} years": partial(_jumped, project, name, years)
        for years in JUMPS
    }
    for kind, fault in list(kinds.items())[:faults]:
        outcome.count(kind, fault())
        outcome.compare(canonical(project), lab.canonical)
    return outcome


def _date(project: Project, years: np.ndarray | float) -> None:
    """Give all that Snakemake and the jobs look at a time so many years from now."""
    paths = [project.folder, *project.folder.rglob("*")]
    for path, moment in zip(paths, np.broadcast_to(years, len(paths)), strict=True):
        at = time.time() + float(moment) * YEAR_S
        os.utime(path, (at, at), follow_symlinks=False)


def _scramble(project: Project, draws: np.random.Generator) -> None:
    number = 1 + sum(1 for _ in project.folder.rglob("*"))
    _date(project, draws.uniform(-10, 10, number))


def _scrambled(project: Project, name: str, draws: np.random.Generator) -> str | None:
    """Nothing is to be done; and what is to be done after all is not missed."""
    _scramble(project, draws)
    if (wrong := project.planned(name)) != {}:
        return f"to be done again: {wrong}"
    (job,) = (job for job in plan(project, name) if job.rule == "evaluate")
    kept = project.folder / "kept"
    shutil.move(project.folder / job.directory, kept)
    stamp = next(job for job in plan(project, name) if job.rule == "aggregate")
    content = (project.folder / stamp.outputs[0]).read_bytes()
    forget(project, stamp)
    _scramble(project, draws)
    found, expected = project.planned(name), {"evaluate": 1, "aggregate": 1, "render": 1}
    shutil.move(kept, project.folder / job.directory)
    (project.folder / stamp.outputs[0]).write_bytes(content)
    return None if found == expected else f"to be done: {found}, and not {expected}"


def _jumped(project: Project, name: str, years: float) -> str | None:
    """The second half of the work, when the first was done years from now."""
    for job in plan(project, name):
        if job.rule in SECOND_HALF:
            forget(project, job)
    _date(project, years)
    done = project.snakemake(name)
    if done.returncode:
        return done.stdout[-2000:]
    again = project.planned(name)
    return None if again == {} else f"to be done again: {again}"
