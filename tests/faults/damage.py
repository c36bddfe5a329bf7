"""Damaged files of every kind: made anew, or refused by name with a remedy that works."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml

import mac.data.fetch
from mac.planning import files
from mac.planning.job import Job
from mac.planning.targets import planned
from mac.seals import KEY
from tests.faults.lab import (
    Lab,
    Outcome,
    Project,
    canonical,
    complete,
    forget,
    label,
    plan,
    refusal,
    start,
)
from tests.faults.losses import MESSAGE, WILD

WAYS: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "flipped": lambda content, draws: _flipped(content, int(draws.integers(8 * len(content)))),
    "halved": lambda content, _: content[: len(content) // 2],
    "emptied": lambda *_: b"",
}
REMEDY = re.compile(r"delete (?:the folder )?([^\s,;:]+)")
ATTEMPTS = 5  # to interrupt a job before it is done
PIECE_BYTES, SLOW_S = 4096, 0.2  # of downloads, so that they can be interrupted


def _flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@dataclass(frozen=True)
class Case:
    """One fault: its kind, and what injects it and returns what went wrong, if anything did."""

    kind: str
    inject: Callable[[], str | None]


def damage(lab: Lab, faults: int) -> Outcome:
    """Damage at most so many files, as evenly as can be over all kinds, and work with each."""
    outcome, draws = Outcome("damage"), lab.draws("damage")
    project = lab.copy("damage")
    cases = [*_finished(lab, project, draws), *_unfinished(lab, draws), *_remembered(lab, draws)]
    number = min(faults, len(cases))
    for index in np.linspace(0, len(cases) - 1, number).round().astype(int):
        outcome.count(cases[index].kind, failure := cases[index].inject())
        if failure is not None:  # the next fault begins with everything in place
            shutil.rmtree(project.folder)
            lab.copy("damage")
    outcome.compare(canonical(project), lab.canonical)
    return outcome


# Finished work


def _finished(lab: Lab, project: Project, draws: np.random.Generator) -> Iterator[Case]:
    """Every file that a job leaves for others, or for its readers.

    Of jobs of one kind the one with most kinds of readers: not every agent reads all of a store.
    """
    seen = set()
    for job in sorted(lab.jobs, key=lambda job: -len(_readers(lab, job))):
        for file in _files(project, job):
            kind = f"{label(job)} {re.sub('[0-9a-f]{12}', 'FP', file.name)}"
            if kind not in seen:
                seen.add(kind)
                for way in WAYS:
                    case = partial(_used, lab, project, job, file, way, draws)
                    yield Case(f"{kind} {way}", case)


def _files(project: Project, job: Job) -> list[Path]:
    folder = project.folder / job.directory
    if job.rule not in ("aggregate", "render"):
        return sorted(path for path in folder.iterdir() if path.is_file())
    stamp = folder / job.files[0]
    return [*(folder.parent / name for name in json.loads(stamp.read_text())["files"]), stamp]


def _used(
    lab: Lab, project: Project, job: Job, file: Path, way: str, draws: np.random.Generator
) -> str | None:
    """Damage a file and do again, one after the other, what reads it, until something refuses."""
    whole = file.read_bytes()
    file.write_bytes(damaged := WAYS[way](whole, draws))
    code, text = _planned(project, *lab.experiments)
    for reader in [] if code else _readers(lab, job):
        forget(project, reader)
        code, text = start(project, reader).said()
        if code:
            break
        found, expected = (lab.bytes_of(one, reader) for one in (project, lab.project))
        if found != expected:
            return f"{label(reader)} used it"
    if code == 0:
        if file.read_bytes() != damaged or _says(file.name, damaged) == _says(file.name, whole):
            file.write_bytes(whole)
            return None
        return "nothing that reads it noticed"
    line = refusal(text) or ""
    if file.name not in line or not (remedy := REMEDY.search(line)):
        return f"not refused by name with a remedy: {text[-2000:]}"
    _delete(project.folder / remedy[1])
    if failure := complete(project, *lab.experiments):
        return f"{line}; and then {failure}"
    if canonical(project) != lab.canonical or _planned(project, *lab.experiments)[0]:
        return f"not mended by its remedy: {line}"
    return None


def _readers(lab: Lab, job: Job) -> list[Job]:
    """One job of each kind that reads what a job wrote, fast ones first."""
    readers = {label(one): one for one in lab.jobs if job in one.upstream.values()}
    return sorted(readers.values(), key=lambda one: lab.seconds[label(one)])


def _planned(project: Project, *names: str) -> tuple[int, str]:
    """What the workflow says before it starts; stamps are looked at there."""
    text = io.StringIO()
    with chdir(project.folder), redirect_stderr(text):
        files.read_config.cache_clear()
        try:
            planned(names)
        except SystemExit as error:
            return int(error.code), text.getvalue()
    return 0, text.getvalue()


def _says(name: str, content: bytes) -> object:
    """What a file means: a blank or a digest may change and nothing else with it."""
    try:
        if name.endswith((".yaml", ".json")):
            found = yaml.safe_load(content)
            return {key: value for key, value in found.items() if len(key) != len(KEY)}
    except (yaml.YAMLError, AttributeError, UnicodeDecodeError, ValueError):
        pass
    return content


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


# Unfinished work


def _unfinished(lab: Lab, draws: np.random.Generator) -> Iterator[Case]:
    """Every file from which interrupted work goes on, and locks that were left behind."""
    for kind, job in {label(job): job for job in lab.jobs}.items():
        locked = partial(_continued, lab, job, "lock", draws)
        yield from (Case(f"lock of {kind} {way}", partial(locked, way)) for way in WAYS)
        for name in _leftovers(kind):
            case = partial(_continued, lab, job, name, draws)
            yield from (Case(f"{kind} {name} {way}", partial(case, way)) for way in WAYS)


def _leftovers(kind: str) -> tuple[str, ...]:
    """Names of what an interrupted job of a kind leaves."""
    if kind.startswith("train_") or kind == "episodes":
        return ("state", "state.spent")
    names = {
        "collect": ("train-*-*.npz", "identity.json"),
        "fetch": (".[!.]*.part", ".[!.]*.tag"),
    }
    return names.get(kind, ())


def _continued(lab: Lab, job: Job, name: str, draws: np.random.Generator, way: str) -> str | None:
    """Damage what an interrupted job left, and let it go on."""
    project = Project(lab.folder / "continued")
    shutil.rmtree(project.folder, ignore_errors=True)
    if name == "lock":
        shutil.copytree(lab.project.folder, project.folder, symlinks=True)
        forget(project, job)
        path = project.folder / job.lock
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left behind")
    else:
        try:
            shutil.copytree(_interrupted(lab, job), project.folder, symlinks=True)
        except TimeoutError as error:
            return str(error)
        path = _left(project, job, name)[0]
    path.write_bytes(WAYS[way](path.read_bytes(), draws))
    code, text = start(project, job).said()
    if code:
        return text[-2000:]
    if canonical(project) != lab.canonical:
        return "it went on from the damage, or left something"
    return None


def _interrupted(lab: Lab, job: Job) -> Path:
    """A project in which one job was ended while it was at work; made once."""
    name, names = f"interrupted-{label(job)}", _leftovers(label(job))
    if (lab.folder / name).is_dir():
        return lab.folder / name
    project = lab.copy(name)
    lab.server.pause, pause = SLOW_S, lab.server.pause
    for _ in range(ATTEMPTS):
        forget(project, job)
        process = start(
            project, job, before=lambda: setattr(mac.data.fetch, "PIECE_BYTES", PIECE_BYTES)
        )
        while not process.ended():
            if any(path.stat().st_size for path in _left(project, job, names[0])):
                process.strike(signal.SIGTERM, group=False)
            time.sleep(0.001)
        if all(_left(project, job, name) for name in names):
            lab.server.pause = pause
            return project.folder
    shutil.rmtree(project.folder)
    raise TimeoutError(f"{label(job)}: done before it could be interrupted")


def _left(project: Project, job: Job, name: str) -> list[Path]:
    place = project.folder / (job.directory if job.rule == "fetch" else job.resume)
    if job.rule not in ("fetch", "collect"):
        place = place.parent
    return sorted(place.glob(name))


# Why a job failed for good


def _remembered(lab: Lab, draws: np.random.Generator) -> Iterator[Case]:
    for way in WAYS:
        yield Case(f"failure marker {way}", partial(_again, lab, draws, way))


def _again(lab: Lab, draws: np.random.Generator, way: str) -> str | None:
    """Damage the memory of a failure: the job says the same, from memory or from trying again."""
    project, job = _failed(lab)
    path = project.folder / job.failure
    path.write_bytes(WAYS[way](path.read_bytes(), draws))
    code, text = start(project, job).said()
    return None if code == 2 and MESSAGE in (refusal(text) or "") else text[-2000:]


def _failed(lab: Lab) -> tuple[Project, Job]:
    """A project in which a training has diverged; made once."""
    project = Project(lab.folder / "failed")
    name, sound = next(iter(lab.experiments.items()))
    if not project.folder.is_dir():
        lab.copy("failed")
        content = {**sound, "agents": {"wild": WILD}, "baseline": None}
        project.write(f"experiments/{name}", content)
    (job,) = (job for job in plan(project, name) if job.label == "wild" and job.stage)
    if not (project.folder / job.failure).exists():
        start(project, job).wait()
    return project, job
