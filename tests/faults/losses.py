"""A loss that is no longer finite: one job fails for good and says so each time; others go on."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from mac.planning.job import Job
from tests.faults.lab import (
    Lab,
    Outcome,
    Project,
    arguments,
    canonical,
    complete,
    here,
    plan,
    refusal,
    start,
)

WILD = {"agent": "flow_bc", "set": {"behaviour.optimiser.learning_rate": 1e30}}
CALM = {"agent": "flow_bc", "set": {"behaviour.hidden_dims": [8]}}
TAME = {**WILD, "set": {"behaviour.optimiser.learning_rate": 1e-3}}
MESSAGE = "behaviour: a loss is no longer finite by step"
# Runs a command and tells whether torch was imported, which alone takes longer than a refusal may.
PROBE = """
import sys
from mac.cli import main
try:
    main(sys.argv[1:])
finally:
    print("torch" in sys.modules)
"""


def losses(lab: Lab, faults: int) -> Outcome:
    """Let a training diverge, try it again, mend it, and compare."""
    outcome, project = Outcome("losses"), lab.copy("losses")
    name, sound = next(iter(lab.experiments.items()))

    def compared(**agents: Any) -> None:
        project.write(f"experiments/{name}", {**sound, "agents": {**sound["agents"], **agents}})

    compared(wild=WILD, calm=CALM)
    jobs = [job for job in plan(project, name) if job.label in ("wild", "calm")]
    ended = {(job.label, job.rule): start(project, job).said() for job in jobs}
    (job,) = (j for j in jobs if j.label == "wild" and j.stage is not None)
    code, text = ended["wild", job.rule]
    diverged = code == 2 and MESSAGE in (refusal(text) or "")
    spared = all(code == 0 for (label, _), (code, _) in ended.items() if label == "calm")
    outcome.count("diverged", None if diverged and spared else f"{ended}")
    first = (project.folder / job.failure).read_text()
    for _ in range(faults - 2):
        outcome.count("tried again", _again(project, job, light=True))
    here(project, "clear", name)
    outcome.count("tried after mac clear", _again(project, job, light=False))
    if (project.folder / job.failure).read_text() != first:
        outcome.failures.append("another message after mac clear")
    for agents in ({"wild": TAME, "calm": CALM}, {}):
        compared(**agents)
        if failure := complete(project, name):
            outcome.failures.append(failure)
    left = project.folder / job.failure
    left.unlink()
    found = canonical(project)
    outcome.compare({n: found[n] for n in lab.canonical if n in found}, lab.canonical)
    return outcome


def _again(project: Project, job: Job, *, light: bool) -> str | None:
    """One more attempt; returns what is wrong with how it ends."""
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments(job)],
        cwd=project.folder,
        env=project.environment(),
        capture_output=True,
        text=True,
    )
    line = refusal(ended.stderr) or ""
    fine = ended.returncode == 2 and MESSAGE in line and ("mac clear" in line) == light
    return None if fine and (ended.stdout.strip() == "False") == light else str(ended)
