"""Jobs that cannot succeed, in the real workflow: others go on, and each attempt says the same."""

from __future__ import annotations

import subprocess

from tests.faults.lab import Lab, Outcome, Project, canonical, done, here, plan
from tests.faults.losses import CALM, MESSAGE, TAME, WILD
from tests.faults.memory import short_of_memory
from tests.workflow.conftest import BIN

KEY, TOO_MUCH = "behaviour.batch_size", 3_000_000_000
BAD = {"wild": WILD, "greedy": {"agent": "flow_bc", "set": {KEY: TOO_MUCH}}, "calm": CALM}


def workflow(lab: Lab, faults: int) -> Outcome:
    """A loss diverges and a job finds no memory: both fail, again and again, until mended."""
    outcome, name = Outcome("workflow"), list(lab.experiments)[-1]
    project, sound = lab.copy("workflow"), lab.experiments[name]

    def compare(**agents: object) -> None:
        project.write(f"experiments/{name}", {**sound, "agents": {**sound["agents"], **agents}})

    compare(**BAD)
    remembered = f"`mac clear {name}` lets the job try again"
    kinds = {"first": False, "tried again": True, "tried after mac clear": False}
    for kind, known in list(kinds.items())[:faults]:
        if kind.endswith("clear"):
            here(project, "clear", name)
        text = _limited(project, name)
        fails = {job.label for job in plan(project, name) if not done(project, job)} - {""}
        says = (MESSAGE in text, f"lower {KEY} ({TOO_MUCH})" in text, remembered in text)
        fine = fails == {"wild", "greedy"} and says == (True, True, known)
        outcome.count(kind, None if fine and "Traceback" not in text else f"{fails}: {text}")
    for agents in ({"wild": TAME, "calm": CALM}, {}):
        compare(**agents)
        ended = project.snakemake(name)
        if ended.returncode:
            outcome.failures.append(f"mended: {ended.stdout[-2000:]}")
    for left in (project.folder / "results/.resume/failures").glob("*"):
        left.unlink()
    found = canonical(project)
    outcome.compare({n: found[n] for n in lab.canonical if n in found}, lab.canonical)
    return outcome


def _limited(project: Project, name: str) -> str:
    """What Snakemake says where each process may have so much memory and no more."""
    return subprocess.run(
        [BIN / "snakemake", "--cores", "2", name],
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=short_of_memory,
    ).stdout
