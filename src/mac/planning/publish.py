"""What experiments share goes into DVC: once, by one caller, when no job is running.

Two stages of DVC cannot own one folder, and two jobs that call DVC at once fail on its lock. So no
job calls it. Each folder ``<stage>-<fingerprint>``, of data as of results, has a ``.dvc`` file of
its own in git: published work never changes, and what somebody else has published, or what nobody
has published yet, is left alone.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mac.errors import DataError, MissingDataError
from mac.io import read_yaml
from mac.planning.job import Job
from mac.planning.pipeline import PIPELINE
from mac.planning.plan import Plan
from mac.provenance import RECORD
from mac.stamps import REVISIONS as STAMPED

STORE_GB = 4.0  # larger stores are cheaper to build again than to keep


@dataclass
class Shared:
    """What is to be published.

    Attributes:
        folders: to hand to ``dvc add``.
        left: other folders, and why they stay out.
        experiments: finished ones, whose small files DVC knows from git.
    """

    folders: list[Path] = field(default_factory=list)
    left: dict[Path, str] = field(default_factory=dict)
    experiments: list[str] = field(default_factory=list)


def shared(plan: Plan) -> Shared:
    """What of a plan's finished work is to be published."""
    found = Shared()
    wanted: dict[Path, Job] = {}
    for job in plan:
        if job.rule not in STAMPED and _finished(job.directory):
            wanted.setdefault(job.directory.parent if job.seed is not None else job.directory, job)
    for folder, job in sorted(wanted.items()):
        if reason := _reason(folder, job):
            found.left[folder] = reason
        elif job.seed is not None and _published(folder):
            found.folders += [seed for seed in _seeds(folder) if _finished(seed)]
        else:
            found.folders.append(folder)
    stages = read_yaml(PIPELINE).get("stages", {}) if PIPELINE.is_file() else {}
    found.experiments = [
        name for name, job in plan.final.items() if name in stages and Path(job.outputs[0]).exists()
    ]
    return found


def _finished(folder: Path) -> bool:
    """The record is written last."""
    return (folder / RECORD).is_file()


def _published(folder: Path) -> bool:
    return folder.with_name(f"{folder.name}.dvc").is_file()


def _seeds(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _reason(folder: Path, job: Job) -> str | None:
    """Why a folder stays out of DVC, or None."""
    if job.rule == "fetch":
        return (
            "fetched; the SHA-256 of its files are in the runs.json of each experiment that used it"
        )
    if job.rule == "build":
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e9
        return (
            f"a store of {size:.1f} GB, built again from its raw files" if size > STORE_GB else None
        )
    if job.seed is not None and not _published(folder):
        open_ = [seed.name for seed in _seeds(folder) if not _finished(seed)]
        return f"unfinished work in {', '.join(open_)}" if open_ else None
    return None


def publish(plan: Plan) -> Shared:
    """Hand a plan's finished work to DVC; its ``.dvc`` files and ``dvc.lock`` go into git's index.

    Raises:
        MissingDataError: there is no DVC here.
        DataError: Snakemake is at work here, or DVC refuses, with its reason.
    """
    if importlib.util.find_spec("dvc") is None:
        raise MissingDataError("DVC is not installed", remedy="pip install '.[workflow]'")
    if not Path(".dvc").is_dir():
        raise MissingDataError("no such folder", file=".dvc", remedy="run `dvc init` first")
    if busy := sorted(Path(".snakemake/locks").glob("*")):
        raise DataError(
            "Snakemake is at work in this folder",
            file=busy[0],
            remedy="wait for it; if it was killed, `snakemake --unlock`",
        )
    found = shared(plan)
    if found.folders:
        dvc("add", "--quiet", *map(str, found.folders))
    if found.experiments:
        dvc("commit", "--quiet", "--force", *found.experiments)
        # `core.autostage` covers what `dvc add` writes, not this.
        subprocess.run(["git", "add", "dvc.lock"], check=True)
    return found


def dvc(*arguments: str) -> None:
    """Run DVC; what it complains of becomes one line."""
    command: Sequence[str] = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise DataError(f"dvc {arguments[0]}: {errors[0].removeprefix('ERROR: ')}")
