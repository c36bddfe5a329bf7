"""What happens to jobs on a cluster, and that their artefacts are those of an undisturbed run."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from tests.slurm.accounting import AccountedCluster
from tests.slurm.cluster import Cluster
from tests.slurm.projects import GRES, STOP, SlurmProject, Stopped, wait_for
from tests.slurm.scene import PATIENCE_S, STEPS, UPDATE_S, References, Scene, end, ended

Play = Callable[[Scene], str]
NODES = 2


@dataclass(frozen=True)
class Scenario:
    """What happens, and on what kind of cluster."""

    play: Play
    kind: Callable[[Path, int], Cluster]

    def run(self, folder: Path, references: References) -> str:
        """Play it in a folder; what it says of it."""
        experiment = "smoke" if self.play.__name__ == "smoke" else "patient"
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
def gres(scene: Scene) -> str:
    """GPUs are asked for as generic resources, by the profile's other variant."""
    scene.project.requests.insert(1, GRES)
    process, number = scene.started()
    asked = scene.cluster.run("squeue", "-h", "-j", number, "-O", "tres-per-node:40").strip()
    assert asked == "gres:gpu:1", asked
    devices = scene.devices()
    assert len(devices.split(",")) == 1 and devices, f"GPUs {devices!r}"
    scene.finish(process)
    return f"asked for {asked}, both seeds trained on GPU {devices}"


@scenario(REST)
def arrays(scene: Scene) -> str:
    """Jobs that share no submission are sent as one array."""
    scene.project.prepare(together=1)
    process = scene.start("--slurm-array-jobs", "train_behaviour")
    for seed in (0, 1):
        scene.training(seed)
    listed = scene.cluster.run("squeue", "-h", "-t", "R", "-o", "%F %K").splitlines()
    assert {line.split()[1] for line in listed} == {"1", "2"}, listed
    assert len({line.split()[0] for line in listed}) == 1, listed
    scene.finish(process)
    return f"seeds trained as tasks {' and '.join(sorted(x.replace(' ', '_') for x in listed))}"


@scenario(REST)
def interrupted(scene: Scene) -> str:
    """Ctrl-C ends the workflow and its jobs; the same command goes on from there."""
    first, number = scene.started()
    if STOP.wait(15):  # so much of the training that its absence shows
        raise Stopped
    first.send_signal(signal.SIGINT)
    code = wait_for("the end of the workflow", lambda: ended(first), 120)
    assert code != "0", "exit code 0"
    wait_for("the end of its job", lambda: scene.state(number) == "CANCELLED", 120)
    assert not scene.cluster.processes("train_behaviour"), "training runs on"
    scene.finish(scene.start())
    seconds = [record["wall_seconds"] for record in scene.project.records("train_behaviour")]
    assert max(seconds) < STEPS * UPDATE_S, f"trained anew: {seconds} s"
    return f"job {number} cancelled; the rest of {STEPS * UPDATE_S:.0f} s took {max(seconds):.0f} s"


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


@scenario(REST)
def slurm_away(scene: Scene) -> str:
    """Slurm's own controller answers nobody for a while; there is no accounting to ask instead."""
    process, number = scene.started()
    scene.cluster.kill("slurmctld")
    if STOP.wait(30):
        raise Stopped
    scene.cluster.start_controller()
    scene.finish(process)
    assert scene.state(number) == "COMPLETED"
    return f"away for 30 s, job {number} ended {scene.state(number)}"


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
    listed = cluster.run("sacct", "-X", "-n", "-P", "-o", "JobName,State").splitlines()
    done = sum(line.endswith("|COMPLETED") for line in listed if not line.startswith("true"))
    assert done == 2, listed
    return f"sacct failed for 45 s, and knows {done} completed jobs in the end"
