"""What a job occupies while it runs: processor threads and GPUs."""

from __future__ import annotations

from mac.gpus import visible
from mac.planning.job import Job


def threads(job: Job) -> int:
    """Processor threads: of the update, or of the simulators, with which the policy takes turns."""
    compute = job.config["compute"]
    if job.rule == "evaluate" and job.evaluator == "episodes":
        return max(compute["threads"], compute["workers"])
    return compute["threads"]


def gpus(job: Job) -> int:
    """GPUs: one where the job will use one, which is found without torch; none otherwise."""
    if not (job.rule.startswith("train_") or job.rule in ("evaluate", "diagnose")):
        return 0
    device = job.config["compute"]["device"]
    return int(device.startswith("cuda") or (device == "auto" and bool(visible())))
