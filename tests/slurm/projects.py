"""Folders in which scenarios run the workflow, through the profile or undisturbed, locally."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.slurm.cluster import Cluster
from tests.workflow.conftest import EXPERIMENT, ROOT, Project

RESOURCES = "workflow/profiles/slurm/resources.yaml"
GRES = "workflow/profiles/slurm/gres.yaml"
TRAINING = ("train_model", "train_heads", "train_behaviour", "train_value")

# Trains for as long as a scenario needs, whatever the machine, and leaves the processors to others.
# How long is no part of the file: an edited agent would be another.
PATIENT = '''
import os
import time

from mac.agents.base import register
from mac.agents.flow_bc import FlowBC


@register("patient")
class Patient(FlowBC):
    """Flow behaviour cloning whose updates take their time."""

    def __post_init__(self):
        super().__post_init__()
        part = self.parts["behaviour"]
        losses = part.losses

        def slow(batch, noise):
            time.sleep(float(os.environ["PATIENT_S"]))
            return losses(batch, noise)

        part.losses = slow
'''


class Stopped(Exception):
    """The whole run is being stopped."""


STOP = threading.Event()


class SlurmProject(Project):
    """A working copy of the workflow that a cluster runs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.requests = [RESOURCES, "site.yaml"]  # later files override

    def prepare(self, *, limit: int = 15, together: int | None = None) -> None:
        """Write the site's own requests: small jobs that share little time."""
        small = {"minutes": limit, "mem_mb": 300}
        if together:
            small["together"] = together
        names = ("collect", "build", *TRAINING, "evaluate")
        asked = {name: dict(small) for name in names}
        asked["collect"].setdefault("cpus", 2)
        self.write("../site", {"limit": limit, "rules": asked})

    def patient(self, steps: int, seconds: float, seeds: int = 2) -> None:
        """Write an experiment of one training a seed that lasts ``steps`` times ``seconds``."""
        values = {**EXPERIMENT["set"], "steps": steps, "compute.save_every_s": 2.0}
        agents = {"patient": None}
        content = {"agents": agents, "seeds": list(range(seeds)), "set": values}
        self.write("experiments/patient", {**EXPERIMENT, **content, "baseline": "patient"})
        self.write("agents/patient", {})
        folder = self.folder / "agents"
        folder.mkdir(exist_ok=True)
        (folder / "patient.py").write_text(PATIENT)
        self.variables |= {"MAC_AGENT_PATH": str(folder), "PATIENT_S": str(seconds)}

    def local(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The workflow on this machine, undisturbed."""
        with (self.folder / "snakemake.out").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
                cwd=self.folder,
                env=self.environment(),
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def submit(self, cluster: Cluster, *targets: str) -> subprocess.Popen[bytes]:
        """The workflow through the profile; ``targets`` may have options among them."""
        sources = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        environment = {**self.environment(), **cluster.environment, "PYTHONPATH": sources}
        environment.update(self.variables)
        command = [
            *(sys.executable, "-m", "tests.slurm.controller", *targets),
            *("--profile", "workflow/profiles/slurm"),
            *("--latency-wait", "15", "--slurm-no-account"),
            *("--slurm-init-seconds-before-status-checks", "1"),
            *("--max-status-checks-per-second", "1"),
            *("--config", f"cluster={','.join(self.requests)}"),
        ]
        with (self.folder / "snakemake.out").open("ab") as out:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        """What the workflow printed."""
        path = self.folder / "snakemake.out"
        return path.read_text(errors="replace") if path.exists() else ""

    def records(self, rule: str) -> list[dict[str, object]]:
        """Records of the jobs of a rule."""
        paths = self.folder.glob("results/stages/*/*/*/run.yaml")
        found = [yaml.safe_load(path.read_text()) for path in paths]
        return [record for record in found if record["rule"] == rule]


def wait_for(what: str, condition: Callable[[], object], seconds: float) -> object:
    """The first true value of a condition.

    Raises:
        AssertionError: there is none in time.
    """
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        if STOP.wait(0.2):
            raise Stopped
    return value


def differing(one: Path, other: Path) -> list[str]:
    """Canonical artefacts of two folders that are not the same, or missing in one."""
    left, right = Project(one).canonical(), Project(other).canonical()
    assert left, f"{one}: no artefacts"
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
