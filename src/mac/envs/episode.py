"""One collected episode in the form of the released files (data.md 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def released(rows: Mapping[str, Sequence[np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays of an episode, ``terminals`` (T + 1,) included.

    Args:
        rows: T + 1 values by key, of which the last action is filler.
    """
    arrays = {
        key: np.asarray(values, np.int64 if key == "button_states" else np.float32)
        for key, values in rows.items()
    }
    arrays["terminals"] = np.zeros(len(rows["actions"]), np.float32)
    arrays["terminals"][-1] = 1.0
    return arrays
