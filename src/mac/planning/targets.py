"""Which experiments a Snakemake command line asks for, and their plan."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mac.errors import MacError
from mac.planning.experiment import available, listed
from mac.planning.plan import Plan
from mac.stamps import check_stamp


def chosen(arguments: Sequence[str]) -> list[str]:
    """Experiments named among command line arguments; without any, those of the full reproduction.

    Where single files are asked for, and inside a job that an executor sends elsewhere, every experiment counts.
    """
    names = available()
    if any(a.startswith(("results/", "data/", "--target-jobs")) for a in arguments):
        return names
    return [name for name in names if name in arguments] or listed()


def planned(arguments: Sequence[str]) -> Plan:
    """Plan of the experiments asked for; a mistake ends the program with one line."""
    try:
        plan = Plan(chosen(arguments))
        for job in plan:
            stamp = job.directory / job.files[0]
            if job.rule in ("aggregate", "render") and stamp.exists():
                check_stamp(stamp)
        return plan
    except MacError as error:
        print(f"mac: {error}", file=sys.stderr)
        sys.exit(2)
