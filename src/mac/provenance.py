"""Where an artefact came from: configuration, code, packages, machine, time."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mac.io import fingerprint, read_json, read_yaml, write_yaml

PACKAGES = ("mac-bench", "torch", "numpy", "ogbench", "mujoco", "gymnasium")


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
    """Commit and whether tracked files differ from it; empty outside a repository."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True
        ).stdout

    try:
        commit = git("rev-parse", "HEAD").strip()
        dirty = bool(git("status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": commit, "dirty": dirty}


def hardware() -> dict[str, Any]:
    """The machine's processor, number of cores and operating system."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform()}


def write_run(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``run.yaml``: the given content and everything this module knows."""
    write_yaml(
        path,
        {
            **content,
            "command": " ".join(sys.argv[1:]),
            "python": platform.python_version(),
            "packages": package_versions(),
            "git": git_state(),
            "hardware": hardware(),
        },
    )


# What of a run's record is committed with the results; its configuration is in git already.
KEPT = (
    *("rule", "fingerprint", "revision", "seed", "inputs"),
    *("git", "packages", "device", "wall_seconds", "cpu_seconds"),
)


def gather(artefacts: Mapping[str, str], root: Path) -> dict[str, dict[str, Any]]:
    """What is known of the artefacts behind some results, by folder.

    Args:
        artefacts: fingerprint of each by its folder relative to ``root``: evaluations, training
            stages, and stores of data, which get ``data``, a fingerprint of their raw files'
            hashes.
        root: the repository's root.

    Returns:
        The facts named in ``KEPT`` as far as the folder's ``run.yaml`` has them; folders without
        any record are left out.
    """
    found: dict[str, dict[str, Any]] = {}
    for folder, mark in sorted(artefacts.items()):
        facts: dict[str, Any] = {}
        if (path := root / folder / "run.yaml").is_file():
            record = read_yaml(path)
            facts |= {key: record[key] for key in KEPT if key in record}
        if (path := root / folder / "manifest.json").is_file():
            splits = read_json(path)["splits"]
            files = [file["sha256"] for name in sorted(splits) for file in splits[name]["files"]]
            facts |= {"rule": "build", "data": fingerprint(files)}
        if facts:
            found[folder] = {**facts, "fingerprint": mark}
    return found
