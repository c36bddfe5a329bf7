"""A training set on the device that trains: rows are gathered there, their numbers go there alone.

Which rows a batch is made of is drawn as ever, on the processor, so that a batch has the same bytes
wherever the data are: where they are kept is no part of a result.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from mac.data.place import Place
from mac.data.scattered import memory_bytes
from mac.data.store import INDEX, Split
from mac.errors import DeviceError
from mac.progress import progress, size
from mac.training.device import moved

if TYPE_CHECKING:
    from mac.config.schema import AgentConfig

SHARE = 0.6  # of free memory that a training set may take beside networks and their batches
BLOCK_BYTES = 1 << 27  # brought to the device at a time


class Resident:
    """An array's rows on a device; all of it is brought there when its first rows are gathered.

    Gathered rows are tensors, in float32 where the array has 16 bits a number. Parts of it are such
    arrays.
    """

    def __init__(self, array: np.ndarray, device: torch.device) -> None:
        self._array, self._device = array, device

    def __len__(self) -> int:
        return len(self._array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._array, dtype)

    def __getitem__(self, key: Any) -> Any:
        if not (isinstance(key, np.ndarray) and key.dtype.kind == "i"):
            return Resident(self._array[key], self._device)
        rows = self._tensor[moved(key, self._device)]
        return rows.float() if rows.itemsize == 2 else rows

    @cached_property
    def _tensor(self) -> Tensor:
        array = self._array
        narrow = array.dtype == np.uint16  # the bits of a bfloat16; see mac.data.precision
        first = torch.from_numpy(_block(array, 0, 1, narrow))
        tensor = torch.empty(array.shape, dtype=first.dtype, device=self._device)
        rows = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
        with progress(array.nbytes, "bytes", f"to {self._device}") as bar:
            for begin in range(0, len(array), rows):
                block = _block(array, begin, begin + rows, narrow)
                tensor[begin : begin + rows] = moved(block, self._device)
                bar.update(block.nbytes)
        return tensor.view(torch.bfloat16) if narrow else tensor


def _block(array: np.ndarray, begin: int, end: int, narrow: bool) -> np.ndarray:
    # Rows by their numbers: so a mapped file that reads nothing ahead is asked for all of them.
    block = array[np.arange(begin, min(end, len(array)))]
    return block.view(np.int16) if narrow else block


class OnDevice(Place):
    """On a device: gathered rows are tensors there."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def array(self, array: np.ndarray) -> Tensor:
        """As of :class:`Place`."""
        return moved(array, self._device)

    def join(self, pieces: Sequence[Tensor]) -> Tensor:
        """As of :class:`Place`."""
        return torch.cat(pieces, dim=-1)

    def single(self, numbers: Tensor) -> Tensor:
        """As of :class:`Place`."""
        return numbers.float()


def resident(split: Split, device: torch.device) -> Split:
    """The split with its rows on a device; the index of its episodes stays where it is."""
    keys = {field.name for field in fields(Split)} - {*INDEX, "files", "place"}
    arrays = {key: Resident(getattr(split, key), device) for key in keys}
    return replace(split, **arrays, place=OnDevice(device))


def room(device: torch.device) -> int:
    """Bytes that a training set may take on a device."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else memory_bytes()
    return int(SHARE * free)


def chosen(split: Split, config: AgentConfig, device: torch.device) -> Split:
    """The split where ``compute.store`` wants its rows; ``auto`` is on a GPU if they fit there.

    Raises:
        DeviceError: if they are wanted on the device and do not fit.
    """
    wanted = config.compute.store
    if wanted == "disk" or (wanted == "auto" and device.type == "cpu"):
        return split
    needed = bytes_read_in(split, config.mode)
    limit = room(device)
    if needed <= limit:
        print(f"training set: {size(needed)} kept on {device}", file=sys.stderr, flush=True)
        return resident(split, device)
    found, expected = size(needed), f"at most {size(limit)}, {SHARE:.0%} of the memory free there"
    if wanted == "device":
        raise DeviceError(
            f"the training set does not fit on {device}",
            key="compute.store",
            found=found,
            expected=expected,
            remedy="set it to auto or disk, or data.precision to float16",
        )
    line = f"training set: {found} read from disk; {device} would hold {expected}"
    print(line, file=sys.stderr, flush=True)
    return split


def bytes_read_in(split: Split, mode: str) -> int:
    """Of what views read of the split in a mode: rewards and masks are those of one task."""
    kinds = [split.goals] if mode == "goal" else [split.rewards[:1], split.masks[:1]]
    return sum(array.nbytes for array in (split.observations, split.actions, *kinds))
