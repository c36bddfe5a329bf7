"""Windows of consecutive chunks of one trajectory, for the model's error by horizon."""

from __future__ import annotations

import numpy as np

from mac.data.normalize import Normalizer
from mac.data.store import Split
from mac.data.views.anchors import Anchors
from mac.errors import DataError


class Windows:
    """Windows of L consecutive chunks of one trajectory, for the model's error by horizon.

    The released assembly mixes time and trajectories; this is its intended form: row i + n·L is
    still in the trajectory of row i.

    Args:
        split: the data.
        normalizer: of states.
        chunk_length: n, environment steps.
        chunks: L.
    """

    def __init__(
        self, split: Split, normalizer: Normalizer, chunk_length: int, chunks: int
    ) -> None:
        self._split, self._normalizer = split, normalizer.at(split.place)
        self._chunks, self._length = chunks, chunk_length
        self.anchors = Anchors(split, split.lengths - chunk_length * chunks)
        if len(self.anchors) == 0:
            raise DataError(
                "no episode is long enough for a window",
                found=f"{chunks} chunks of {chunk_length} steps",
                expected=f"at most {int(split.lengths.max()) - 1} steps",
            )

    def sample(
        self, generator: np.random.Generator, batch_size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Windows at uniform anchors: observations (L + 1, B, O) and actions (L, B, n, A)."""
        return self.batch(self.anchors.sample(generator, batch_size)[0])

    def batch(self, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Windows starting at rows ``anchors`` (B,)."""
        first = anchors + self._length * np.arange(self._chunks + 1)[:, None]
        rows = first[:-1, :, None] + np.arange(self._length)
        observations = self._normalizer.observations(self._split.observations[first])
        return observations, self._split.actions[rows]
