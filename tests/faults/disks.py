"""A disk that fills up, or turns read-only: every job says so in a line, and goes on afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mac.planning.job import Job
from tests.faults.lab import (
    Lab,
    Outcome,
    Project,
    canonical,
    label,
    refusal,
    start,
)

SIZE = "64m"
FULL, READ_ONLY = "no room is left on the disk", "the file system is read-only"


def disks(lab: Lab, faults: int) -> Outcome:
    """Give jobs too little room, then none to write in, on a small file system of their own."""
    outcome, folder = Outcome("disks"), lab.folder / "disk"
    folder.mkdir()
    if reason := _mount(folder, "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs"):
        outcome.skipped = reason
        return outcome
    try:
        project, draws = Project(folder / "project"), lab.draws("disks")
        shutil.copytree(lab.fresh("bare").folder, project.folder, symlinks=True)
        for index, job in enumerate(lab.jobs):
            if index < faults:
                needs = sum(map(len, lab.bytes_of(lab.project, job).values()))
                with _filled(folder, int(draws.uniform(0, needs))):
                    outcome.count(f"{label(job)} full", _refused(project, job, FULL))
                with _read_only(folder):
                    outcome.count(f"{label(job)} read-only", _refused(project, job, READ_ONLY))
            code, text = start(project, job).said()
            if code:
                outcome.failures.append(f"{label(job)} afterwards: {text[-2000:]}")
        outcome.compare(canonical(project), lab.canonical)
    finally:
        _call("umount", "--lazy", folder)
    return outcome


def _refused(project: Project, job: Job, expected: str) -> str | None:
    code, text = start(project, job).said()
    line = refusal(text) or ""
    return None if code == 2 and expected in line else f"exit code {code}: {text[-2000:]}"


@contextmanager
def _filled(folder: Path, left: int) -> Iterator[None]:
    """Leave so many bytes on the disk, in whole pages."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        free = shutil.disk_usage(folder).free
        os.posix_fallocate(file.fileno(), 0, max(free - left, 1))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    _call("mount", "-o", "remount,ro", folder)
    try:
        yield
    finally:
        _call("mount", "-o", "remount,rw", folder)


def _mount(folder: Path, *options: str) -> str:
    """Mount something; returns why that cannot be done here, if it cannot."""
    try:
        _call("mount", *options, folder)
    except FileNotFoundError:
        return "there is no mount command"
    except subprocess.CalledProcessError as error:
        return f"mounting a small file system needs root: {error.stderr.strip()}"
    return ""


def _call(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
