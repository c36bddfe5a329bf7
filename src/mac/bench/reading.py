"""How fast batches come from a store that is not in memory, beside what disk and memory allow."""

from __future__ import annotations

import mmap
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from mac.bench import synthetic
from mac.config.schema import ActorGoals, ValueGoals
from mac.data.scattered import memory_bytes, too_large
from mac.data.store import Split, Store
from mac.data.views import Chunks
from mac.provenance import hardware, package_versions
from mac.rng import stream
from mac.training.ahead import ahead
from mac.training.device import on_device
from mac.training.resident import bytes_read_in, resident, room
from mac.types import Batch

BATCH, CHUNK = 1024, 10
MODES = ("goal", "reward")
UPDATES_MS = (2.0, 10.0)
IN_FLIGHT = (1, 16, 64)  # reads of the disk at a time
IN_MEMORY = 500_000  # rows of the store that stand for one in memory
AT_MOST = 2000  # batches of a measurement, if its time does not end it before


def measure(folder: Path, transitions: int, seconds: float, device: torch.device) -> dict[str, Any]:
    """All measurements of a store of noise, which is written below ``folder`` and then deleted.

    Each takes about so many ``seconds``. What is kept on the ``device`` is the training set if it
    fits there, and else what stands for one in memory.
    """
    with TemporaryDirectory(prefix="bench-data-", dir=folder) as made:
        store, started = Path(made), time.perf_counter()
        size = synthetic.write(store, transitions)
        written = time.perf_counter() - started
        return {
            "transitions": transitions,
            "batch_size": BATCH,
            "chunk_length": CHUNK,
            "store": {
                "bytes": size,
                "write_s": written,
                "memory_bytes": memory_bytes(),
                "scattered": too_large(size),
                "values": "noise; hashes are not checked, as of a store checked before",
            },
            "disk_reads_per_s": _disk(store / "train_observations.npy", seconds),
            "modes": {mode: _mode(store, mode, seconds, device) for mode in MODES},
            "process": process_memory(),
            "load_average": list(os.getloadavg()),
            "hardware": hardware(),
            "packages": package_versions(("numpy", "torch")),
        }


def _mode(store: Path, mode: str, seconds: float, device: torch.device) -> dict[str, Any]:
    """Cold, cached, in memory and on a device.

    Each measurement draws batches of its own unless it is cached.
    """
    forget(store)
    started = time.perf_counter()
    split = Store.open(store).split("train")
    view = _view(split, store, mode)
    opened = time.perf_counter() - started
    _sample(view, -1)
    first = time.perf_counter() - started - opened
    before = bytes_read()
    cold = _timed(lambda step: _sample(view, step), seconds)
    read = (bytes_read() - before) / cold["batches"]
    cached = _timed(lambda step: _sample(view, step % cold["batches"]), seconds)
    part = _in_memory(split)
    held = _view(part, store, mode)
    memory = _timed(lambda step: _sample(held, step), seconds)
    waits = {}
    for turn, milliseconds in enumerate(UPDATES_MS, 1):
        steps = range(turn * AT_MOST, (turn + 1) * AT_MOST)
        missing = _waits(view, steps, milliseconds, seconds)
        again = _waits(view, steps[: missing["steps"] + 1], milliseconds, seconds)
        waits[f"update_{milliseconds:g}_ms"] = {"cold": missing, "cached": again}
    return {
        "open_s": opened,
        "first_batch_s": first,
        "cold": {**cold, "bytes_read_per_batch": read},
        "cached": cached,
        "in_memory": {**memory, "rows": len(part.valids)},
        "on_device": _on_device(split, part, store, mode, seconds, device),
        "cold_over_in_memory": cold["batches_per_s"] / memory["batches_per_s"],
        "wait_per_step": waits,
    }


def _view(split: Split, store: Path, mode: str) -> Chunks:
    goals = {"value_goals": ValueGoals(), "actor_goals": ActorGoals()}
    normalizer = Store.open(store).normalizer("validation")
    return Chunks(split, normalizer, CHUNK, 0.999, mode, 1, **goals)


def _sample(view: Chunks, step: int) -> Batch:
    return view.sample(stream(0, "bench", "reading", counter=step + 1), BATCH)


def _in_memory(split: Split) -> Split:
    """The first episodes, copied."""
    episodes = max(1, int(np.searchsorted(split.starts + split.lengths, IN_MEMORY)))
    rows = int(split.starts[episodes - 1] + split.lengths[episodes - 1] + 1)
    by_row = ("observations", "actions", "terminals", "valids", "goals")
    return replace(
        split,
        **{key: np.array(getattr(split, key)[:rows], subok=False) for key in by_row},
        **{key: np.array(getattr(split, key)[:, :rows]) for key in ("rewards", "masks")},
        starts=np.array(split.starts[:episodes]),
        lengths=np.array(split.lengths[:episodes]),
        files=(episodes,),
    )


def _on_device(
    split: Split, part: Split, store: Path, mode: str, seconds: float, device: torch.device
) -> dict[str, Any]:
    """Of batches gathered on the device, all that they consist of there in the end."""
    fits = bytes_read_in(split, mode) <= room(device) and device.type == "cuda"
    kept = resident(split if fits else part, device)
    view = _view(kept, store, mode)

    def draw(step: int) -> None:
        on_device(_sample(view, step), device)

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    draw(-1)  # brings the arrays there
    wait()
    found = _timed(draw, seconds, wait)
    return {**found, "rows": len(kept.valids), "device": str(device)}


def _timed(
    draw: Callable[[int], object], seconds: float, wait: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Batches a second, and CPU-milliseconds of one."""
    started, cpu, count = time.perf_counter(), time.process_time(), 0
    while count == 0 or (time.perf_counter() - started < seconds and count < AT_MOST):
        draw(count)
        count += 1
    wait()
    spent = time.perf_counter() - started
    return {
        "batches": count,
        "batches_per_s": count / spent,
        "transitions_per_s": count * BATCH * CHUNK / spent,
        "cpu_ms_per_batch": 1e3 * (time.process_time() - cpu) / count,
    }


def _waits(view: Chunks, steps: range, update_ms: float, seconds: float) -> dict[str, float]:
    """Milliseconds that a step waits for its batch where the update before it takes so long."""
    batches: Iterator[Batch] = ahead(lambda step: _sample(view, step), steps, enabled=True)
    next(batches)
    waited, started = [], time.perf_counter()
    while not waited or time.perf_counter() - started < seconds:
        time.sleep(update_ms / 1e3)
        asked = time.perf_counter()
        if next(batches, None) is None:
            break
        waited.append(1e3 * (time.perf_counter() - asked))
    batches.close()
    return {
        "steps": len(waited),
        "mean_ms": statistics.fmean(waited),
        "median_ms": statistics.median(waited),
        "largest_ms": max(waited),
    }


def forget(store: Path) -> None:
    """Have the kernel drop what it holds of the files; none of them may be mapped."""
    for path in store.iterdir():
        with _opened(path, os.O_RDONLY) as file:
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def _disk(path: Path, seconds: float) -> dict[str, float] | None:
    """Random 4 KiB reads a second past the page cache, by how many are in flight at a time."""
    pages = path.stat().st_size // mmap.PAGESIZE
    try:
        with _opened(path, os.O_RDONLY | os.O_DIRECT) as file:
            return {
                f"{count}_in_flight": _reads(file, pages, count, seconds) for count in IN_FLIGHT
            }
    except OSError:  # not every file system has it
        return None


def _reads(file: int, pages: int, count: int, seconds: float) -> float:
    started = time.perf_counter()

    def read(worker: int) -> int:
        generator, done = stream(0, "bench", "disk", worker, counter=count), 0
        with mmap.mmap(-1, mmap.PAGESIZE) as page:
            while not done or time.perf_counter() - started < seconds:
                for number in generator.integers(pages, size=8).tolist():
                    os.preadv(file, [page], number * mmap.PAGESIZE)
                    done += 1
        return done

    with ThreadPoolExecutor(count) as pool:
        done = sum(pool.map(read, range(count)))
    return done / (time.perf_counter() - started)


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags)
    try:
        yield file
    finally:
        os.close(file)


def bytes_read() -> int:
    """Bytes that this process had the disk read so far."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["read_bytes"])


def process_memory() -> dict[str, int]:
    """Bytes of this process: its own and shared ones, and, apart, pages of files."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    kb = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    own, shared = kb["Pss_Anon"], kb["Pss_Shmem"]
    return {"own_bytes": 1024 * (own + shared), "page_cache_bytes": 1024 * kb["Pss_File"]}
