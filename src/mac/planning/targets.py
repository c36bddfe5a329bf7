"""Between Snakemake and the plan: the experiments asked for, and a look before work starts."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePath
from typing import NoReturn

from mac.errors import ConfigError, MacError
from mac.io import read_json
from mac.planning.cluster import Cluster
from mac.planning.estimate import check_gpu, estimate, text, unfinished
from mac.planning.experiment import available, listed
from mac.planning.job import Job
from mac.planning.plan import Plan
from mac.stamps import check_stamp

ALL = "all"  # the rule that asks for the full reproduction
NAMED_BY_RULES = ("logs/", "benchmarks/")  # files of which no job knows


def chosen(targets: Collection[str]) -> list[str]:
    """Experiments that targets are, or belong to; without any, those of the full reproduction.

    A file may be any experiment's, so where one is asked for, every experiment counts.

    Raises:
        ConfigError: for a target that is neither an experiment nor a path.
    """
    names = available()
    others = {*targets} - {*names, ALL}
    for target in sorted(others):
        if "/" not in target:
            near = difflib.get_close_matches(target, [*names, ALL])
            raise _unknown("no experiment of this name", target, near)
    if others:
        return names
    whole = listed() if ALL in targets or not targets else []
    return list(dict.fromkeys([*whole, *(name for name in names if name in targets)]))


def check_files(plan: Plan, targets: Iterable[str]) -> None:
    """Refuse a file that no job of the plan writes.

    Raises:
        ConfigError: naming the experiment in whose folder it lies, or files of such a name.
    """
    written = [path for job in plan for path in job.outputs]
    for target in sorted({*targets} - {*plan.experiments, ALL, *written}):
        if not target.startswith(NAMED_BY_RULES):
            own = [part for part in PurePath(target).parts if part in plan.experiments]
            near = own or difflib.get_close_matches(target, written)
            raise _unknown("no job declares this file", target, near)


def _unknown(message: str, target: str, near: Sequence[str]) -> ConfigError:
    """The refusal of a target, with what may be meant; with all experiments if nothing is near."""
    expected = " or ".join(near) or ", ".join([*available(), ALL])
    return ConfigError(message, key=target, expected=expected)


def planned(targets: Collection[str], *, job: bool = False) -> Plan:
    """Plan of the experiments asked for; a mistake ends the program with one line.

    Says how many jobs there are, except where it is ``job``: in a process that Snakemake starts for
    single jobs, which may be any experiment's.
    """
    try:
        targets = [os.path.normpath(target) for target in targets]  # as Snakemake reads them
        plan = Plan(available() if job else chosen(targets))
        check_files(plan, targets)
        for one in plan:
            stamp = one.directory / one.files[0]
            if one.rule in ("aggregate", "render") and stamp.exists():
                check_stamp(stamp)
        if not job:
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
