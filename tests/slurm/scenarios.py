"""What happens to jobs on a cluster, and that their artefacts are those of an undisturbed run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import cast

from tests.slurm.accounting import AccountedCluster
from tests.slurm.cluster import Cluster
from tests.slurm.projects import STOP, SlurmProject, Stopped, differing, wait_for

Play = Callable[["Scene"], str]
PATIENCE_S = 1200.0  # machines may be slow and busy
NODES = 2
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
        assert code == "0", f"undisturbed {name} failed: {folder}/snakemake.out"
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


@dataclass(frozen=True)
class Scenario:
    """What happens, and on what kind of cluster."""

    play: Play
    kind: Callable[[Path, int], Cluster]

    def run(self, folder: Path, references: References) -> str:
        """Play it in a folder; what it says of it."""
        experiment = "smoke" if self.play is smoke else "patient"
        with ExitStack() as stack:
            project = SlurmProject.create(folder / "project")
            project.prepare()
            if experiment == "patient":  # starts with its data in place
                project.patient(STEPS, UPDATE_S)
                data = references.get(experiment).folder / "data"
                shutil.copytree(data, project.folder / "data", symlinks=True)
            cluster = stack.enter_context(self.kind(folder / "cluster", NODES))
            return self.play(Scene(experiment, project, cluster, references, stack))


SMOKE: dict[str, Scenario] = {}
REST: dict[str, Scenario] = {}


def scenario(
    group: dict[str, Scenario], kind: Callable[[Path, int], Cluster] = Cluster
) -> Callable[[Play], Play]:
    """Add a scenario to a group; what it returns is shown beside its time."""

    def add(play: Play) -> Play:
        group[play.__name__] = Scenario(play, kind)
        return play

    return add


@scenario(SMOKE)
def smoke(scene: Scene) -> str:
    """The experiment `smoke` from collection to tables; one of its trainings is killed."""
    process = scene.start()

    def victim() -> list[int]:
        assert not ended(process), f"exit code {ended(process)}"
        return scene.cluster.processes("train_behaviour", "1")

    os.kill(wait_for("a training", victim, PATIENCE_S)[0], signal.SIGKILL)
    scene.finish(process)
    said = scene.project.said()
    assert said.count("Trying to restart") == 1, "the killed job was not retried once"
    return f"{said.count('submitted with SLURM jobid')} submissions, a killed training retried"


@scenario(SMOKE)
def deadline(scene: Scene) -> str:
    """Training that is longer than the limit saves itself and is continued."""
    # A submission must begin to train well within its limit, on a slow machine, too; and 50 seconds
    # of training are more than a minute's limit allows, which is 45.
    limit = 1 + int(scene.references.get("patient").seconds // 60)
    scene.project.prepare(limit=limit)
    scene.project.patient(STEPS, limit * UPDATE_S)
    process = scene.start()
    scene.finish(process)
    states = scene.cluster.run("squeue", "-h", "-t", "all", "-o", "%T").split()
    assert "TIMEOUT" not in states, "Slurm had to end a job"
    assert states.count("FAILED") >= 1 and min(scene.attempts()) >= 2, scene.attempts()
    return f"attempts {scene.attempts()}, limit {limit} min, no timeout"


@scenario(REST)
def past_limit(scene: Scene) -> str:
    """A training that hangs is ended by Slurm at its limit, and continued."""
    scene.project.prepare(limit=2)
    process = scene.start()
    for seed in (0, 1):
        os.kill(scene.training(seed), signal.SIGSTOP)
    number = scene.job()
    wait_for("the limit", lambda: scene.state(number) == "TIMEOUT", PATIENCE_S)
    scene.finish(process)
    return f"TIMEOUT, {scene.project.said().count('Trying to restart')} retries"


@scenario(REST)
def scancel(scene: Scene) -> str:
    """A cancelled job is submitted again and goes on."""
    process, number = scene.started()
    scene.cluster.run("scancel", number)
    scene.finish(process)
    assert scene.state(number) == "CANCELLED"
    return f"retries {scene.project.said().count('Trying to restart')}"


@scenario(REST)
def preempted(scene: Scene) -> str:
    """A job that a higher partition displaces is queued again by Slurm and goes on."""
    process, number = scene.started()
    everything = ["-p", "high", "--nodes", str(NODES), "--exclusive", "-o", "/dev/null"]
    scene.cluster.run("sbatch", *everything, "--wrap", "sleep 10")
    wait_for("preemption", lambda: scene.state(number) in ("PENDING", "PREEMPTED"), PATIENCE_S)
    scene.finish(process)
    return f"job {number} ended {scene.state(number)}"


@scenario(REST, partial(Cluster, node_timeout=20))
def node_dies(scene: Scene) -> str:
    """The work of a node that is lost in mid-training goes on on another."""
    process, number = scene.started()
    node = scene.cluster.run("squeue", "-h", "-j", number, "-o", "%N").strip()
    scene.cluster.power_off(node)
    wait_for("Slurm to notice", lambda: scene.state(number) != "RUNNING", 180)
    scene.finish(process)
    return f"{node[-2:]} lost, job {number} ended {scene.state(number)}"


@scenario(REST)
def controller_killed(scene: Scene) -> str:
    """Snakemake is killed and started again while its jobs run on: no two of them write."""
    first, before = scene.started()
    end(first)
    unlock = scene.start("--unlock")
    wait_for("unlocking", lambda: ended(unlock), PATIENCE_S)
    second = scene.start()

    def doubles() -> list[int]:
        assert not ended(second), f"exit code {ended(second)}"
        found = scene.cluster.processes("train_behaviour", "0")
        return found if len(found) == 2 else []

    wait_for("a second copy", doubles, PATIENCE_S)
    scene.finish(second)
    assert scene.state(before) == "COMPLETED", "the first copy did not end well"
    assert scene.attempts() == [1, 1], f"trained again: {scene.attempts()}"
    return "the second copy waited, and left the first one's work alone"


@scenario(REST, AccountedCluster)
def accounting_stops(scene: Scene) -> str:
    """The accounting database goes away in mid-run, for good."""
    cluster = cast(AccountedCluster, scene.cluster)
    process = scene.start()
    scene.training()
    cluster.stop_accounting()
    scene.finish(process)
    return "jobs are followed by squeue"


@scenario(REST, AccountedCluster)
def accounting_returns(scene: Scene) -> str:
    """With sacct: the accounting database is away for a while."""
    cluster = cast(AccountedCluster, scene.cluster)
    process = scene.start("--slurm-status-command", "sacct")
    scene.training()
    cluster.stop_accounting()
    if STOP.wait(45):
        raise Stopped
    assert not ended(process), f"exit code {ended(process)}"
    cluster.start_accounting()
    scene.finish(process)
    return "sacct failed for 45 s"
