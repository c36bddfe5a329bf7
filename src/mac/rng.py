"""Named random streams: every draw is a pure function of (seed, purpose, counter).

Because a step's draws depend on the step's number and on nothing else, no generator state is ever
saved: a resumed run draws what the uninterrupted one would have drawn, and a draw added in one
place shifts no other.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def _digest(seed: int, purpose: tuple[str | int, ...], size: int) -> bytes:
    name = "\x1f".join([str(int(seed)), *map(str, purpose)])
    return blake2b(name.encode(), digest_size=size).digest()


def stream(seed: int, *purpose: str | int, counter: int = 0) -> np.random.Generator:
    """Generator of the stream (seed, purpose) at position ``counter``.

    Positions are 2**64 draws apart, so streams of neighbouring counters never overlap.
    """
    key = np.frombuffer(_digest(seed, purpose, 16), dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, counter, 0, 0]))


def torch_seed(seed: int, *purpose: str | int, counter: int = 0) -> int:
    """Seed in [0, 2**63) for a generator of another library, for instance ``torch.Generator``."""
    return int.from_bytes(_digest(seed, (*purpose, counter), 8), "little") >> 1
