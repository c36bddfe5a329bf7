"""Where an artefact came from: configuration, code, packages, machine, time."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mac.errors import ConfigError, DataError
from mac.io import read_json, read_yaml, sha256_file, write_json, write_yaml
from mac.seals import sealed, unsealed
from mac.verified import hashed, is_file_of

PACKAGES = ("mac-bench", "torch", "numpy", "ogbench", "mujoco", "gymnasium")
RECORD = "run.yaml"  # lies beside what a job wrote
# What results are a function of, beside data and seed. Results themselves are in git too, and
# change while work goes on.
CODE = ("src", "configs", "workflow", "Snakefile", "pyproject.toml", "constraints.txt")
# Grows when data are seen first; their hashes are in every record.
NOT_CODE = ":!configs/datasets/manifest.json"
HOUR_S = 3600.0


def package_versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Versions of the installed packages among ``names``."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_state(folder: Path | None = None) -> dict[str, Any]:
    """Commit, and whether code or configuration differ from it; empty outside a repository."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        dirty = bool(_git(folder, "status", "--porcelain", "--", *CODE, NOT_CODE))
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": commit, "dirty": dirty}


def has_commit(commit: str, folder: Path | None = None) -> bool | None:
    """Whether the repository has a commit; None where that cannot be told: no or half a history."""
    try:
        if _git(folder, "rev-parse", "--is-shallow-repository") == "true":
            return None
        _git(folder, "rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return None
    try:
        _git(folder, "cat-file", "-e", f"{commit}^{{commit}}")
    except subprocess.CalledProcessError:
        return False
    return True


def _git(folder: Path | None, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def hardware() -> dict[str, Any]:
    """The machine's processor, number of cores and operating system."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform()}


def check(*paths: Path, digest: Callable[[Path], str] = sha256_file) -> None:
    """Compare files with what the records beside them tell; those without a record pass.

    Large ones are read once, then not again until they change; see :mod:`mac.verified`. ``digest``
    is for who needs the hashes too.

    Raises:
        DataError: if a record cannot be read, or a file is not the one that its job wrote.
    """
    known: dict[Path, Mapping[str, str]] = {}
    for path in map(Path, paths):
        folder, record = path.parent, path.parent / RECORD
        if folder not in known:
            known[folder] = read_record(record)["files"] if record.is_file() else {}
        expected = known[folder].get(path.name)
        if expected is None:
            continue
        right, found = is_file_of(path, expected, digest)
        if not right:
            raise DataError(
                f"damaged or changed: it is not what {RECORD} beside it tells of",
                file=path,
                found=found[:12],
                expected=expected[:12],
                remedy=_anew(folder),
            )


def _anew(folder: Path) -> str:
    return f"delete the folder {folder} and run it again: what is missing is made anew"


def read_record(path: Path, remedy: str | None = None) -> dict[str, Any]:
    """A record of origin; ``files`` holds SHA-256 by name.

    Raises:
        DataError: if it is damaged; ``remedy`` is then to delete its folder, unless given.
    """
    remedy = remedy or _anew(path.parent)
    try:
        content = read_yaml(path)
    except ConfigError:
        content = {}
    content = unsealed(content, path, remedy)
    if not isinstance(content.get("files"), dict):
        raise DataError("damaged record", file=path, key="files", remedy=remedy)
    return content


@contextmanager
def recorded(
    path: Path,
    content: Mapping[str, Any],
    *,
    inputs: Iterable[str | Path] = (),
    outputs: Iterable[Path] | None = None,
    resume: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """Time a block of work and, when it has written all it should, where its files came from.

    The record is written last, so whatever lies in a folder with one is complete.

    Args:
        path: the record, ``run.yaml`` beside what the work writes.
        content: what is known of the job; see :meth:`mac.planning.job.Job.record`.
        inputs: files that the work reads, checked first; their SHA-256 go into ``read``.
        outputs: files that it writes, whose SHA-256 go into ``files``; all beside the record where
            None. Work that leaves one of them out, as a first look does its stamp, has no record.
        resume: state of interrupted work. While it exists, a later call goes on from it, and the
            time spent before counts too.

    Yields:
        A mapping for what only the work itself knows, such as ``device``.
    """
    known: dict[str, Any] = {}
    clock = _Clock(resume)
    inputs, digest = [Path(file) for file in inputs], cache(sha256_file)
    check(*inputs, digest=digest)
    read = {str(file): digest(file) for file in inputs if file.name != RECORD}
    try:
        yield known
    except BaseException:
        clock.keep()
        raise
    if outputs is None:
        beside = (file for file in path.parent.iterdir() if file.is_file())
        outputs = [file for file in beside if not file.name.startswith(".")]
    if not all(file.is_file() for file in outputs):
        return
    files = {file.name: hashed(file) for file in sorted(outputs) if file.name != RECORD}
    spent = clock.spent()
    if str(known.get("device", "")).startswith("cuda"):
        hours = {"gpu": spent["wall_seconds"] / HOUR_S}
    else:
        hours = {"cpu": spent["cpu_seconds"] / HOUR_S}
    record = {
        **content,
        "read": read,
        "files": files,
        **known,
        **spent,
        "device_hours": {device: round(value, 6) for device, value in hours.items()},
        "command": " ".join(sys.argv[1:]),
        "python": platform.python_version(),
        "packages": package_versions(),
        "git": git_state(),
        "hardware": hardware(),
    }
    write_yaml(path, sealed(record))
    clock.forget()


class _Clock:
    """Seconds spent on some work, over all attempts that were continued."""

    def __init__(self, resume: Path | None) -> None:
        self.resume, self.file = resume, resume and resume.with_name(f"{resume.name}.spent")
        self.before = {"wall_seconds": 0.0, "cpu_seconds": 0.0, "attempts": 0}
        if resume is not None and resume.exists():
            with suppress(DataError):
                self.before = unsealed(read_json(self.file), self.file)
        self.wall, self.cpu = time.monotonic(), self._cpu()

    @staticmethod
    def _cpu() -> float:
        """CPU seconds of this process and of those it has waited for."""
        return sum(os.times()[:4])

    def spent(self) -> dict[str, Any]:
        """Wall and CPU seconds so far, and the number of attempts."""
        wall, cpu = time.monotonic() - self.wall, self._cpu() - self.cpu
        return {
            "wall_seconds": round(self.before["wall_seconds"] + wall, 3),
            "cpu_seconds": round(self.before["cpu_seconds"] + cpu, 3),
            "attempts": self.before["attempts"] + 1,
        }

    def keep(self) -> None:
        """Remember the time of an attempt that the next one goes on from."""
        if self.resume is not None and self.resume.exists():
            write_json(self.file, sealed(self.spent()))

    def forget(self) -> None:
        """The work is done."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)


# What of a run's record is committed with the results; its configuration is in git already.
KEPT = (
    *("rule", "fingerprint", "revision", "seed", "inputs", "files", "data"),
    *("git", "packages", "device", "wall_seconds", "cpu_seconds"),
)


def gather(
    artefacts: Mapping[str, str],
    root: Path,
    known: Callable[[], Mapping[str, Mapping[str, Any]]] = dict,
) -> dict[str, dict[str, Any]]:
    """What is known of the artefacts behind some results, by folder.

    Args:
        artefacts: fingerprint of each by its folder relative to ``root``: evaluations, training
            stages, stores and raw data.
        root: the repository's root.
        known: what was gathered before, asked for if a folder has no record.

    Returns:
        The facts named in ``KEPT`` as far as the folder's ``run.yaml`` has them; folders without
        any record stand as they are known, or are left out.
    """
    found: dict[str, dict[str, Any]] = {}
    for folder, mark in sorted(artefacts.items()):
        if (path := root / folder / RECORD).is_file():
            record = read_record(path)
            facts = {key: record[key] for key in KEPT if key in record}
        else:
            facts = known().get(folder)
        if facts is not None:
            found[folder] = {**facts, "fingerprint": mark}
    return found
