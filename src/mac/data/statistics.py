"""Range, mean and spread of columns, gathered block by block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

BLOCK_ROWS = 1 << 20


@dataclass(frozen=True)
class Columns:
    """What is known of the columns of some rows.

    Attributes:
        rows: number of rows.
        low: (D,) minima.
        high: (D,) maxima.
        mean: (D,) float64.
        scatter: (D,) float64, sums of squared deviations from the mean.
    """

    rows: int
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray) -> Self:
        """Columns of (rows, D), a block at a time."""
        blocks = [array[row : row + BLOCK_ROWS] for row in range(0, len(array), BLOCK_ROWS)]
        mean = sum(part.sum(axis=0, dtype=np.float64) for part in blocks) / len(array)
        return cls(
            len(array),
            np.min([part.min(axis=0) for part in blocks], axis=0),
            np.max([part.max(axis=0) for part in blocks], axis=0),
            mean,
            sum(((part - mean) ** 2).sum(axis=0) for part in blocks),
        )

    def __add__(self, other: Columns) -> Columns:
        """Columns of the rows of both."""
        rows = self.rows + other.rows
        apart = other.mean - self.mean
        return Columns(
            rows,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.mean + apart * (other.rows / rows),
            self.scatter + other.scatter + apart**2 * (self.rows * other.rows / rows),
        )

    def plain(self) -> dict[str, list[float]]:
        """Minimum, maximum, mean and standard deviation of each column."""
        return {
            "min": self.low.tolist(),
            "max": self.high.tolist(),
            "mean": self.mean.tolist(),
            "std": np.sqrt(self.scatter / self.rows).tolist(),
        }

    def state(self) -> dict[str, Any]:
        """All that is known, as plain values."""
        arrays = ("low", "high", "mean", "scatter")
        return {"rows": self.rows, **{key: getattr(self, key).tolist() for key in arrays}}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """What :meth:`state` gave."""
        return cls(**{k: np.asarray(v) if k != "rows" else v for k, v in state.items()})
