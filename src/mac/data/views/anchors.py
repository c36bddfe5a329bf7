"""Start rows of what is drawn from a split.

Within an episode of T transitions (rows 0 … T) a trajectory is rows 0 … T - 1, as in the original,
whose terminal flags stand in rows T - 1 and T:

    row        0 1 2 …          T-1-n      T-1  T
    anchors    ^ ^ ^ …  ^T-2-n                        [F]: two starts with complete chunks are left
    out a chunk    i … i+n-1, next state in row i+n
"""

from __future__ import annotations

import numpy as np

from mac.data.store import Split


class Anchors:
    """Start rows that leave room for a span, drawn uniformly over all episodes.

    Args:
        split: the data.
        counts: (episodes,) admissible starts of each episode: its rows 0 … count - 1.
    """

    def __init__(self, split: Split, counts: np.ndarray) -> None:
        self._starts = np.asarray(split.starts)
        self._ends = self._starts + split.lengths - 1
        self._cumulative = np.cumsum(np.maximum(counts, 0))
        self._before = self._cumulative - np.maximum(counts, 0)

    def __len__(self) -> int:
        return int(self._cumulative[-1])

    def rows(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows (B,) of the anchors so numbered (B,), and the ends (B,) of their trajectories."""
        episodes = np.searchsorted(self._cumulative, numbers, side="right")
        return self._starts[episodes] + numbers - self._before[episodes], self._ends[episodes]

    def sample(
        self, generator: np.random.Generator, batch_size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Uniform anchors with replacement: rows (B,) and ends (B,)."""
        return self.rows(generator.integers(len(self), size=batch_size))

    def all(self) -> np.ndarray:
        """Every anchor in order."""
        return self.rows(np.arange(len(self)))[0]
