"""Where the rows of a split lie, and what views do with gathered rows beside plain arithmetic.

Views find out which rows they want with NumPy, wherever the rows themselves are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class Place:
    """In memory or mapped from files: gathered rows are arrays of NumPy."""

    def array(self, array: np.ndarray) -> Any:
        """A small array, to reckon with gathered rows."""
        return array

    def join(self, pieces: Sequence[Any]) -> Any:
        """Gathered rows (…, D_k) side by side: (…, sum of D_k) float32."""
        return np.concatenate(pieces, axis=-1, dtype=np.float32)

    def single(self, numbers: Any) -> Any:
        """Numbers in float32."""
        return numbers.astype(np.float32)


HOST = Place()
