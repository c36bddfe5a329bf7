"""Between Snakemake and the plan: the experiments asked for, and a look before work starts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

from mac.errors import MacError
from mac.io import read_json
from mac.planning.cluster import Cluster
from mac.planning.estimate import check_gpu, estimate, text, unfinished
from mac.planning.experiment import available, listed
from mac.planning.job import Job
from mac.planning.plan import Plan
from mac.stamps import check_stamp


def chosen(arguments: Sequence[str]) -> list[str]:
    """Experiments named among command line arguments; without any, those of the full reproduction.

    Where single files are asked for, and inside a job that an executor sends elsewhere, every
    experiment counts.
    """
    names = available()
    if any(a.startswith(("results/", "data/", "--target-jobs")) for a in arguments):
        return names
    return [name for name in names if name in arguments] or listed()


def planned(arguments: Sequence[str]) -> Plan:
    """Plan of the experiments asked for; a mistake ends the program with one line.

    Says how many jobs there are, except in the processes that Snakemake starts for single jobs.
    """
    try:
        plan = Plan(chosen(arguments))
        for job in plan:
            stamp = job.directory / job.files[0]
            if job.rule in ("aggregate", "render") and stamp.exists():
                check_stamp(stamp)
        if "--mode" not in arguments:
            done = len(plan) - len(unfinished(plan))
            print(f"{len(plan)} jobs planned ({done} done)", file=sys.stderr)
        return plan
    except MacError as error:
        stop(error)


def shown(final: Job) -> dict[str, str]:
    """Paths of an experiment's page and figures by name; none while they are still to be made."""
    stamp = final.directory / final.files[0]
    if not stamp.exists():
        return {}
    files = [stamp.parents[1] / name for name in read_json(stamp)["files"]]
    return {file.stem: str(file) for file in files if file.suffix in (".html", ".svg")}


def preflight(plan: Plan, outputs: Iterable[str], cluster: Cluster | None = None) -> None:
    """Say what the jobs about to run will cost, and stop if this machine cannot do them well.

    Args:
        plan: the experiments asked for.
        outputs: the first declared output of each job that will run.
        cluster: where they run, if that is not this machine.
    """
    try:
        jobs = [plan.writer(path) for path in outputs]
        if cluster is None:
            check_gpu(jobs)
        names = [name for name in plan.final if any(job.experiment == name for job in jobs)]
        print(text(estimate(plan, names, jobs, cluster)), file=sys.stderr)
    except MacError as error:
        stop(error)


def stop(error: MacError) -> NoReturn:
    """End the workflow with a user's mistake in one line."""
    print(f"mac: {error}", file=sys.stderr)
    sys.exit(2)
