"""Rate at which a store yields batches, beside the rate at which updates consume them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mac.bench.floor import SIZES
from mac.bench.train import joint_update
from mac.data.store import Store
from mac.data.views import Chunks
from mac.rng import stream

UPDATES = {"quick": 20, "paper": 2}


def measure(store: Store, name: str, batches: int = 500) -> dict[str, Any]:
    """CPU-milliseconds of a batch from a store, and of the update that it is for; reward mode.

    The update is the joint one of ``mac bench train``, single-threaded.
    """
    size = SIZES[name]
    split = store.split("train")
    view = Chunks(split, store.normalizer("validation"), size.chunk_length, 0.999, "reward", 1)
    view.sample(stream(0, "bench", "data"), size.batch_size)
    batch = _cpu_s(
        lambda step: view.sample(stream(0, "bench", "data", counter=step), size.batch_size),
        batches,
    )
    update = joint_update(name)
    update()  # the first one warms up
    updating = _cpu_s(lambda _: update(), UPDATES[name])
    return {
        "size": name,
        "batch_size": size.batch_size,
        "batches": batches,
        "cpu_ms_per_batch": 1e3 * batch,
        "cpu_ms_per_update": 1e3 * updating,
        "sampling_over_update": batch / updating,
        "transitions": int(split.lengths.sum()),
    }


def _cpu_s(call: Callable[[int], object], times: int) -> float:
    """CPU-seconds of a call, on average."""
    started = time.process_time()
    for index in range(times):
        call(index)
    return (time.process_time() - started) / times
