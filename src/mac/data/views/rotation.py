"""Shards one at a time, as the original trains on data that memory cannot hold (data.md 1.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from mac.data.store import Split
from mac.data.views.view import View
from mac.types import Record


class Rotation(View):
    """A view of each shard in turn, for so many steps each, then from the first again.

    No batch mixes shards, and goals from anywhere are from the same shard.

    Args:
        make: view of a shard.
        shards: of the split, in order.
        interval: steps on each.
    """

    def __init__(
        self, make: Callable[[Split], View], shards: Sequence[Split], interval: int
    ) -> None:
        self._interval, self._count = interval, len(shards)
        self._view = lru_cache(maxsize=2)(lambda index: make(shards[index]))

    def __len__(self) -> int:
        return sum(len(self._view(index)) for index in range(self._count))

    def at(self, step: int) -> View:
        """The view of the shard whose turn it is at a step, counted from 0."""
        return self._view(step // self._interval % self._count)

    def sample(self, generator: np.random.Generator, batch_size: int) -> Record:
        """Batch of the first shard."""
        return self.at(0).sample(generator, batch_size)
