"""One job that asks for more memory than there is: it names what to lower; others go on."""

from __future__ import annotations

import resource
from pathlib import Path

from mac.planning.job import Job
from tests.faults.lab import Lab, Outcome, Project, canonical, complete, done, plan, refusal, start

ROOM_BYTES = 1 << 30  # of addresses beyond those that a process has from the start
# Agents that need too much by one setting, which their message must name: NumPy finds no memory for
# the first, torch none for the second, and the third has been trained before.
GREEDY = (
    ("flow_bc", "behaviour.batch_size", 300_000_000),
    ("mac", "value.num_candidates", 300_000_000),
    ("mac", "evaluate.num_candidates", 300_000_000),
)


def short_of_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def memory(lab: Lab, faults: int) -> Outcome:
    """Run greedy jobs in processes that may have so much memory and no more."""
    outcome, project = Outcome("memory"), lab.copy("memory")
    name, sound = next(iter(lab.experiments.items()))
    for agent, key, value in GREEDY[:faults]:
        agents = {
            **sound["agents"],
            "greedy": {"agent": agent, "set": {key: value}},
            "calm": {"agent": "flow_bc", "set": {"behaviour.hidden_dims": [8]}},
        }
        project.write(f"experiments/{name}", {**sound, "agents": agents})
        failures = [
            (job, text)
            for job in plan(project, name)
            if job.label in ("greedy", "calm") and not done(project, job)
            for code, text in [start(project, job, before=short_of_memory).said()]
            if code
        ]
        outcome.count(f"{agent} {key}", _wrong(project, failures, f"{key} ({value})"))
    project.write(f"experiments/{name}", sound)
    if failure := complete(project, name):
        outcome.failures.append(failure)
    found = canonical(project)
    outcome.compare({n: found[n] for n in lab.canonical if n in found}, lab.canonical)
    return outcome


def _wrong(project: Project, failures: list[tuple[Job, str]], names: str) -> str | None:
    """What is wrong with the failures; only the first may be for want of memory."""
    if not failures or any(job.label != "greedy" for job, _ in failures):
        return f"failed: {failures}"
    job, text = failures[0]
    line = refusal(text) or ""
    if "not enough memory" not in line or names not in line:
        return text[-2000:]
    return "remembered for good" if (project.folder / job.failure).exists() else None
