"""Two Snakemakes on one folder: at once, and one after the other was killed with its jobs alive."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from mac.io import read_yaml
from tests.faults.lab import Lab, Outcome, Project, canonical, plan
from tests.workflow.conftest import BIN

PATIENCE_S = 300.0
SAID = "controller.log"
LOCKED = "Directory cannot be locked"  # by Snakemake, whose message also tells of --unlock
WAITING, DONE = "waiting for another process at this work", "done before"


def controllers(lab: Lab, faults: int) -> Outcome:
    """Start two at once; then kill one, whose jobs live on, and start another."""
    outcome, name = Outcome("controllers"), list(lab.experiments)[-1]
    for kind, fault in [("two at once", _both), ("one killed", _one_killed)][:faults]:
        project = lab.fresh(f"controllers-{kind.replace(' ', '-')}")
        outcome.count(kind, fault(project, name))
        outcome.compare(canonical(project), lab.part(name))
    return outcome


def _both(project: Project, name: str) -> str | None:
    """The second one finds the folder locked, says so, and harms nothing."""
    with _controller(project, name) as first:
        _wait_for(project.folder / ".snakemake/locks", "*")
        second = project.snakemake(name)
        if second.returncode == 0 or LOCKED not in second.stdout or "Traceback" in second.stdout:
            return f"the second: {second.stdout[-2000:]}"
        first.wait()
    return None if first.returncode == 0 else f"the first: {_said(project)}"


def _one_killed(project: Project, name: str) -> str | None:
    """What the killed one has started goes on; the other waits for it and does nothing twice."""
    with _controller(project, name) as first:
        lock = _wait_for(project.folder / "results/.resume/locks", "train_behaviour-*")
        orphan = _holder(lock)
        orphan.suspend()  # until its double has come
        first.kill()
        first.wait()
    try:
        return _taken_over(project, name, lock.name, orphan)
    finally:
        with suppress(psutil.Error):
            orphan.resume()


def _taken_over(project: Project, name: str, lock: str, orphan: psutil.Process) -> str | None:
    (job,) = (job for job in plan(project, name) if job.lock.name == lock)
    stale = project.snakemake(name)
    if stale.returncode == 0 or LOCKED not in stale.stdout or "--unlock" not in stale.stdout:
        return f"after the kill: {stale.stdout[-2000:]}"
    project.snakemake("--unlock", name)
    with _controller(project, name) as other:
        (log,) = (project.folder / "logs" / job.task).glob(f"*{job.fingerprint}*/*.log")
        _wait_until(lambda: log.exists() and WAITING in log.read_text())
        orphan.resume()
        other.wait()
    if other.returncode:
        return f"the other: {_said(project)}"
    said = log.read_text()
    if DONE not in said or read_yaml(project.folder / job.directory / "run.yaml")["attempts"] != 1:
        return f"the work was done twice: {said}"
    return None


@contextmanager
def _controller(project: Project, name: str) -> Iterator[subprocess.Popen]:
    with (project.folder / SAID).open("w") as said:
        process = subprocess.Popen(
            [BIN / "snakemake", "--cores", "2", name],
            cwd=project.folder,
            env=project.environment(),
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def _said(project: Project) -> str:
    return (project.folder / SAID).read_text()[-2000:]


def _wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


def _wait_for(folder: Path, pattern: str) -> Path:
    """The first file of a pattern that appears in a folder."""
    _wait_until(lambda: any(folder.glob(pattern)))
    return next(folder.glob(pattern))


def _holder(lock: Path) -> psutil.Process:
    """The process that holds a lock."""
    for process in psutil.process_iter():
        try:
            if any(Path(file.path) == lock for file in process.open_files()):
                return process
        except psutil.Error:
            continue
    raise LookupError(lock)
