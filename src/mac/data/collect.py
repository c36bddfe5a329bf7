"""Scripted data collection into the released file format, the same bytes for any workers."""

from __future__ import annotations

import json
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np

from mac import rng
from mac.envs.registry import Collector, EnvSpec, adapter
from mac.errors import ConfigError, DataError, SystemFault
from mac.io import atomic, read_json, sha256_file, write_json
from mac.progress import progress

SPLITS = ("train", "val")

_collectors: dict[EnvSpec, Collector] = {}


def collect(
    spec: EnvSpec,
    out_train: Path,
    out_val: Path,
    *,
    train_episodes: int,
    episode_length: int,
    seed: int,
    workers: int = 1,
    resume_dir: Path,
) -> None:
    """Collect a training file and a validation file one tenth its size (at least one episode).

    Every episode draws from its own stream (seed, environment, split, episode), so an episode's
    bytes do not depend on which process ran it or on what ran before. Finished episodes wait in
    ``resume_dir``, which is removed at the end; an interrupted call goes on from those that are
    what was written.

    Args:
        spec: the environment.
        out_train: training file, ``train_episodes`` × (``episode_length`` + 1) rows.
        out_val: validation file.
        train_episodes: number of training episodes.
        episode_length: transitions of an episode.
        seed: of the dataset.
        workers: number of processes.
        resume_dir: folder for finished episodes, used by no one else.
    """
    for key, value in (
        ("train_episodes", train_episodes),
        ("episode_length", episode_length),
        ("workers", workers),
    ):
        if value < 1:
            raise ConfigError("cannot collect", key=key, found=value, expected=">= 1")
    counts = {"train": train_episodes, "val": max(1, train_episodes // 10)}
    resume_dir = Path(resume_dir)
    _claim(resume_dir, spec, seed, episode_length)
    wanted = [(split, episode) for split in SPLITS for episode in range(counts[split])]
    parts = _finished(resume_dir)
    missing = [one for one in wanted if one not in parts]
    what = f"collect {spec.dataset} seed {seed}, {episode_length} transitions each"
    with progress(len(wanted), "episodes", what, len(wanted) - len(missing)) as bar:
        for split, episode, part in _episodes(
            spec, seed, episode_length, resume_dir, missing, workers
        ):
            parts[split, episode] = part
            bar.update()
    for split, path in zip(SPLITS, (out_train, out_val), strict=True):
        _join([parts[split, episode] for episode in range(counts[split])], path)
    shutil.rmtree(resume_dir)


def _claim(resume_dir: Path, spec: EnvSpec, seed: int, episode_length: int) -> None:
    """Keep what ``resume_dir`` holds if it belongs to this very collection, else clear it."""
    identity = {
        "spec": spec.data_facts(),
        "seed": seed,
        "episode_length": episode_length,
        "versions": adapter(spec).versions(),
    }
    path = resume_dir / "identity.json"
    with suppress(DataError):  # absent, or torn by a crash
        if read_json(path) == json.loads(json.dumps(identity)):
            return
    if resume_dir.exists():
        shutil.rmtree(resume_dir)
    write_json(path, identity)


def _finished(resume_dir: Path) -> dict[tuple[str, int], Path]:
    """Files of the finished episodes by split and number.

    Their names end in their hashes: an archive's own checksums cover its arrays, not their names.
    """
    found = {}
    for part in resume_dir.glob("*-*-*.npz"):
        split, episode, mark = part.stem.split("-")
        if mark == _mark(part):
            found[split, int(episode)] = part
    return found


def _mark(part: Path) -> str:
    return sha256_file(part)[:12]


def _episodes(
    spec: EnvSpec,
    seed: int,
    length: int,
    resume_dir: Path,
    missing: list[tuple[str, int]],
    workers: int,
) -> Iterator[tuple[str, int, Path]]:
    """Collect the missing episodes; yields split, number and file of each."""
    jobs = [(spec, seed, split, episode, length, resume_dir) for split, episode in missing]
    if workers == 1 or len(jobs) <= 1:
        for job in jobs:
            yield _one(*job)
        return
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=get_context("spawn"), initializer=_follow_parent
    )
    try:
        for future in as_completed([pool.submit(_one, *job) for job in jobs]):
            yield future.result()
    except BrokenProcessPool:
        raise SystemFault(
            "a process that collects episodes died",
            remedy="run it again, it goes on from the finished ones; if memory was short, with "
            "fewer processes (snakemake --set-threads collect=1)",
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """End this worker when its parent is gone, however it went; an idle pool would wait forever."""

    def watch() -> None:
        wait([parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _one(
    spec: EnvSpec, seed: int, split: str, episode: int, length: int, resume_dir: Path
) -> tuple[str, int, Path]:
    """Collect one episode into its file."""
    if spec not in _collectors:
        _collectors[spec] = adapter(spec).collector(spec)
    stream = rng.stream(seed, "collect", spec.name, split, counter=episode)
    written = resume_dir / f"{split}-{episode:06d}.npz"
    write_npz(written, _collectors[spec].episode(stream, length))
    return (
        split,
        episode,
        written.rename(written.with_stem(f"{split}-{episode:06d}-{_mark(written)}")),
    )


def _join(parts: list[Path], path: Path) -> None:
    """Write the rows of ``parts`` one after the other into one file."""
    with np.load(parts[0]) as first:
        keys = first.files
    arrays: dict[str, np.ndarray] = {}
    for key in keys:
        pieces = []
        for part in parts:
            with np.load(part) as episode:
                pieces.append(episode[key])
        arrays[key] = np.concatenate(pieces)
    write_npz(path, arrays)


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an uncompressed npz whose bytes depend on the arrays only; ``np.savez`` dates it."""
    with atomic(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for key, array in arrays.items():
            entry = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as handle:
                np.lib.format.write_array(handle, np.ascontiguousarray(array), allow_pickle=False)
