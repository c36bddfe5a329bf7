"""Files of every kind, cut short, emptied or with a flipped bit: made anew or refused by name."""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mac.planning.plan import Job
from tests.faults.lab import (
    Lab,
    Outcome,
    Project,
    arguments,
    canonical,
    complete,
    forget,
    here,
    label,
    refusal,
    start,
)

Damage = Callable[[bytes, np.random.Generator], bytes]


def _cut(content: bytes, draws: np.random.Generator) -> bytes:
    return content[: draws.integers(1, len(content))]


def _empty(content: bytes, draws: np.random.Generator) -> bytes:
    return b""


def _flip(content: bytes, draws: np.random.Generator) -> bytes:
    place = draws.integers(len(content))
    flipped = content[place] ^ (1 << draws.integers(8))
    return content[:place] + bytes([flipped]) + content[place + 1 :]


DAMAGES: dict[str, Damage] = {"cut": _cut, "emptied": _empty, "flipped": _flip}
# Files by what reads them next: rule of the writer, names, rule of a reader.
ARTEFACTS = (
    ("collect", "*.npz", "build"),
    ("fetch", "*.npz", "build"),
    ("fetch", "fetched.json", "build"),
    ("build", "*.npy", "train_model"),
    ("build", "manifest.json", "train_model"),
    ("train_model", "checkpoint.safetensors", "train_value"),
    ("train_model", "metrics.csv", "train_value"),
    ("train_value", "step*.safetensors", "episodes"),
    ("train_agent", "checkpoint.safetensors", "episodes"),
    ("episodes", "episodes.parquet", "aggregate"),
    ("model_error", "model_error.parquet", "aggregate"),
    ("aggregate", "../scores.csv", "render"),
    ("aggregate", "../summary.json", "render"),
    ("aggregate", "../episodes.parquet", "render"),
    ("aggregate", "../runs.json", "render"),
    ("aggregate", "aggregate-*[0-9a-f].json", "render"),
)


# State of interrupted work: rule, names below the project.
STATES = (
    ("train_model", "results/.resume/**/state"),
    ("train_value", "results/.resume/**/state"),
    ("train_agent", "results/.resume/**/state"),
    ("episodes", "results/.resume/**/state"),
    ("collect", "results/.resume/**/*.npz"),
    ("collect", "results/.resume/**/identity.json"),
    ("fetch", "data/raw/*/.*.part"),
    ("fetch", "data/raw/*/.*.tag"),
)


def damage(lab: Lab, faults: int) -> Outcome:
    """Damage one file at a time, run what reads it, do what its refusal says, and compare.

    A record of origin is only emptied: nothing holds the hash of its other facts.
    """
    outcome, project, draws = Outcome("damage"), lab.copy("damage"), lab.draws("damage")
    for writer, file, reader in list(_cases(lab.jobs))[:faults]:
        for kind in DAMAGES if file != "run.yaml" else ("emptied",):
            pattern = (project.folder / writer.directory / file).resolve()
            paths = sorted(pattern.parent.glob(pattern.name))
            path = paths[draws.integers(len(paths))]
            path.write_bytes(DAMAGES[kind](path.read_bytes(), draws))
            forget(project, reader)
            ended = here(project, *arguments(reader))
            line = refusal(ended.stderr) or ""
            refused = ended.exit_code == 2 and path.name in line
            failure = None if refused else f"{path.name}: {ended.output[-1000:]}"
            failure = failure or _settle(project, list(lab.experiments))
            outcome.count(f"{label(writer)} {Path(file).name} {kind}", failure)
    for rule, names in STATES[:faults]:
        for job in [job for job in lab.jobs if label(job) == rule][:1]:
            for kind, change in DAMAGES.items():
                failure = _interrupt(project, job, names, lambda b, f=change: f(b, draws))
                failure = failure or _settle(project, list(lab.experiments))
                outcome.count(f"{rule} {Path(names).name} {kind}", failure)
    outcome.compare(canonical(project), lab.canonical)
    return outcome


def _cases(jobs: list[Job]) -> Iterator[tuple[Job, str, Job]]:
    """Writer, file and reader of every kind that the jobs have; the records of origin too."""
    records = (("collect", "build"), ("build", "train_model"), ("train_model", "train_value"))
    wanted = (*ARTEFACTS, *((writes, "run.yaml", reads) for writes, reads in records))
    for writes, file, reads in wanted:
        pairs = ((w, r) for r in jobs for w in r.upstream.values())
        for writer, reader in pairs:
            if (label(writer), label(reader)) == (writes, reads):
                yield writer, file, reader
                break


def _interrupt(
    project: Project, job: Job, names: str, change: Callable[[bytes], bytes]
) -> str | None:
    """Kill a job once it has saved something, and damage that."""
    for _ in range(20):
        forget(project, job)
        process = start(project, job)
        while not list(project.folder.glob(names)) and not process.ended():
            time.sleep(0.001)
        if failure := process.strike(signal.SIGKILL, group=True):
            return failure
        found = [path for path in project.folder.glob(names) if path.stat().st_size]
        if found:
            found[0].write_bytes(change(found[0].read_bytes()))
            return None
    return "nothing was saved in time"


def _settle(project: Project, experiments: list[str]) -> str | None:
    """Run what is not done; where a job refuses, do what it says and go on."""
    for _ in range(4):
        failure = complete(project, *experiments)
        if failure is None:
            return None
        remedy = re.search(r"delete (?:the (?:folder|file) )?([^\s;,]+)", failure)
        if remedy is None:
            return f"no remedy: {failure}"
        target = project.folder / remedy[1]
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    return f"still after what it asked for: {failure}"
