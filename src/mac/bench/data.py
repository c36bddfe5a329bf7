"""Rate at which a store yields batches, beside the rate at which updates consume them."""

from __future__ import annotations

import time
from typing import Any

from mac.bench.floor import SIZES
from mac.data.store import Store
from mac.data.views import Chunks
from mac.rng import stream


def measure(store: Store, name: str, batches: int = 500) -> dict[str, Any]:
    """CPU-milliseconds for each batch of the given size from a store, reward mode."""
    size = SIZES[name]
    split = store.split("train")
    view = Chunks(split, store.normalizer("validation"), size.chunk_length, 0.999, "reward", 1)
    view.sample(stream(0, "bench", "data"), size.batch_size)
    started = time.process_time()
    for step in range(batches):
        view.sample(stream(0, "bench", "data", counter=step), size.batch_size)
    spent = time.process_time() - started
    return {
        "size": name,
        "batch_size": size.batch_size,
        "batches": batches,
        "cpu_ms_per_batch": 1e3 * spent / batches,
        "transitions": int(split.lengths.sum()),
    }
