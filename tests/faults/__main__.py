"""``make torture``: every scenario at full size; outcomes are printed and kept in the results."""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
import time
from pathlib import Path

from mac.io import write_json
from mac.provenance import git_state, hardware, package_versions
from tests.architecture.source import ROOT
from tests.faults.clocks import clocks
from tests.faults.controllers import controllers
from tests.faults.damage import damage
from tests.faults.disks import disks
from tests.faults.kills import kills
from tests.faults.lab import Outcome, laboratory
from tests.faults.losses import losses
from tests.faults.memory import memory
from tests.faults.workflow import workflow

SCENARIOS = {
    "kills": (kills, 200),
    "damage": (damage, 150),
    "disks": (disks, 19),
    "losses": (losses, 6),
    "memory": (memory, 2),
    "workflow": (workflow, 3),
    "controllers": (controllers, 2),
    "clocks": (clocks, 3),
}
FOLDER = ROOT / "results" / "torture"


def main() -> int:
    """Run the scenarios named, all by default; returns the number of those that failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS])
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    names = chosen.scenarios or list(SCENARIOS)
    failed, total = 0, Outcome("in all")
    with (
        tempfile.TemporaryDirectory(prefix="torture-") as folder,
        laboratory(Path(folder), chosen.seed) as lab,
    ):
        for name in names:
            scenario, faults = SCENARIOS[name]
            began = time.monotonic()
            outcome = scenario(lab, faults)
            outcome.seconds = round(time.monotonic() - began, 1)
            failed += not (outcome.passed or outcome.skipped)
            total.add(outcome)
            print(outcome.line(), *outcome.failures, sep="\n  ", flush=True)
            write_json(
                FOLDER / f"{name}.json",
                {
                    **vars(outcome),
                    "command": f"python -m tests.faults {name} --seed {chosen.seed}",
                    "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                    "git": git_state(ROOT),
                    "hardware": hardware(),
                    "packages": package_versions(),
                },
            )
    print(total.line())
    return failed


if __name__ == "__main__":
    sys.exit(main())
