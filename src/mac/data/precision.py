"""Observations in two bytes a number: half the room, and a rounding whose size is told.

NumPy has no bfloat16, so that is kept as its bits: the upper half of a float32's.
"""

from __future__ import annotations

import numpy as np

from mac.errors import DataError

STORED = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}


def narrowed(array: np.ndarray, precision: str) -> np.ndarray:
    """Numbers as they are stored, rounded to the nearest, ties to even.

    Raises:
        DataError: if one is too large for the precision.
    """
    array = array.astype(np.float32, copy=False)
    if precision == "float32":
        return array
    if precision == "bfloat16":
        bits = array.view(np.uint32)
        stored = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    else:
        with np.errstate(over="ignore"):  # told below
            stored = array.astype(STORED[precision])
    if not np.isfinite(widened(stored)).all():
        raise DataError(
            "too large for the precision",
            key="data.precision",
            found=float(np.abs(array).max()),
            expected=f"what {precision} can hold",
            remedy="set it to float32",
        )
    return stored


def widened(stored: np.ndarray) -> np.ndarray:
    """The float32 numbers that were stored; any other than 16-bit ones pass through."""
    if stored.dtype == np.uint16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32) if stored.dtype == np.float16 else stored
