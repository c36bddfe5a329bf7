"""What to lower where a job finds too little memory."""

from __future__ import annotations

from collections.abc import Iterator

from mac.config.load import flatten
from mac.errors import SystemFault
from mac.planning.job import Job


def exhausted(job: Job, error: MemoryError) -> SystemFault:
    """One line naming the job and the settings that its memory grows with, with their values."""
    values = dict(flatten(job.config, ""))
    settings = [f"{key} ({values[key]})" for key in grows_with(job) if values[key] is not None]
    if job.rule == "collect":
        settings.append("its processes (snakemake --set-threads collect=1)")
    lower = f"lower {' or '.join(settings)}, or " if settings else ""
    return SystemFault(
        f"not enough memory ({error or 'Python found none'})",
        key=" ".join(part for part in (job.rule, job.label, job.task) if part),
        remedy=f"{lower}give it more, for instance by fewer jobs at once (snakemake --cores)",
    )


def grows_with(job: Job) -> Iterator[str]:
    """Keys of the settings that the memory of a job grows with."""
    if job.stage is not None:
        yield f"{job.stage.section}.batch_size" if job.stage.section else "batch_size"
        if "value" in [part.name for part in job.stage.members]:
            yield from ("value.rollout_batch_size", "value.num_candidates")
        if "imagined" in job.config:
            yield from ("imagined.starts", "imagined.retain")
    elif job.rule == "evaluate" and job.evaluator == "episodes":
        yield from ("evaluate.batch_width", "evaluate.num_candidates", "compute.workers")
    elif job.rule == "evaluate":
        yield "evaluate.windows"
    elif job.rule == "diagnose":
        yield from ("evaluate.num_candidates", "evaluate.batch_width")
