"""The stage of a scenario: a project, a cluster, and the undisturbed run that it must equal."""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from tests.slurm.cluster import Cluster
from tests.slurm.projects import SlurmProject, differing, wait_for

PATIENCE_S = 1200.0  # machines may be slow and busy
STEPS, UPDATE_S = 200, 0.25  # of a training: 50 seconds


@dataclass(frozen=True)
class Reference:
    """A finished undisturbed run, and how long it took."""

    folder: Path
    seconds: float


class References:
    """Undisturbed runs on this machine, each made once, by whoever asks first."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._made = folder, dict[str, Reference]()
        self._locks = {name: Lock() for name in ("smoke", "patient")}

    def get(self, name: str) -> Reference:
        """The undisturbed run of an experiment."""
        with self._locks[name]:
            if name not in self._made:
                self._made[name] = self._make(name, self.folder / f"undisturbed-{name}")
            return self._made[name]

    def _make(self, name: str, folder: Path) -> Reference:
        assert not folder.exists(), f"undisturbed {name} failed before"
        project = SlurmProject.create(folder)
        if name == "patient":
            project.patient(STEPS, 0.0)  # how long updates take does not change them
        start = time.monotonic()
        process = project.local(name)
        try:
            code = wait_for(f"undisturbed {name}", lambda: ended(process), PATIENCE_S)
        finally:
            end(process)
        assert code == "0", f"undisturbed {name} failed:\n{project.said()[-2000:]}"
        return Reference(folder, time.monotonic() - start)


def ended(process: subprocess.Popen[bytes]) -> str:
    """The exit code of a process, as text; empty while it runs."""
    code = process.poll()
    return "" if code is None else str(code)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process if it still runs, and wait for it."""
    process.kill()
    process.wait()


@dataclass
class Scene:
    """A scenario's project and cluster, and what it does with them."""

    experiment: str
    project: SlurmProject
    cluster: Cluster
    references: References
    stack: ExitStack

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the workflow through the profile."""
        process = self.project.submit(self.cluster, self.experiment, *arguments)
        self.stack.callback(end, process)
        return process

    def finish(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the workflow's end, and compare what it made."""
        code = wait_for("the end", lambda: ended(process), PATIENCE_S)
        assert code == "0", f"exit code {code}"
        wrong = differing(self.references.get(self.experiment).folder, self.project.folder)
        assert not wrong, f"differ: {', '.join(wrong)}"

    def saved(self) -> bool:
        """Whether both trainings have saved a state."""
        states = self.project.folder.glob("results/.resume/*/behaviour-*/seed*/state")
        return len(list(states)) == 2

    def training(self, seed: int = 0) -> int:
        """The process that trains a seed, once a state of it has been saved."""
        wait_for("saved training", self.saved, PATIENCE_S)
        found = self.cluster.processes("train_behaviour", str(seed))
        assert len(found) == 1, f"{len(found)} processes train seed {seed}"
        return found[0]

    def started(self) -> tuple[subprocess.Popen[bytes], str]:
        """A workflow that trains, and the number of the job in which it does."""
        process = self.start()
        self.training()
        return process, self.job()

    def job(self) -> str:
        """Number of the Slurm job that trains."""
        listed = self.cluster.run("squeue", "-h", "-t", "R", "-o", "%A %k").splitlines()
        (number,) = [line.split()[0] for line in listed if "train_behaviour" in line]
        return number

    def attempts(self) -> list[int]:
        """Attempts in which the trainings were made, one going on from the other."""
        return [record["attempts"] for record in self.project.records("train_behaviour")]

    def state(self, number: str) -> str:
        """What Slurm says of a job."""
        return self.cluster.run("squeue", "-h", "-t", "all", "-j", number, "-o", "%T").strip()

    def devices(self, seed: int = 0) -> str:
        """GPUs that Slurm gave to the process which trains a seed."""
        content = Path(f"/proc/{self.training(seed)}/environ").read_bytes().decode()
        variables = dict(pair.split("=", 1) for pair in content.split("\0") if "=" in pair)
        return variables.get("CUDA_VISIBLE_DEVICES", "")
