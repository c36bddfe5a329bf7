"""Rows from all over a mapped file that memory cannot hold.

A row that is not in memory is read when it is touched, by one thread, one after the other, and the
kernel reads on behind it (from 128 KiB to megabytes) in the hope that the next is there too. For
rows drawn at random both are wrong: nothing beside a row will be wanted before memory is full. So
reading on is turned off for such files, and before rows are gathered the kernel is asked for all
their pages at once, which a disk answers many at a time.

A data set that fits is better off the other way: read on, and soon all of it is in memory.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

SHARE = 0.5  # of memory that a split may take before its rows are taken for scattered
GROUPS = Path("/proc/self/cgroup")
LIMITS = {"": ("", "memory.max"), "memory": ("memory", "memory.limit_in_bytes")}


def _limits() -> Iterator[Path]:
    """Files with limits of this process's groups (version 2 and 1), some of them absent."""
    for line in GROUPS.read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in LIMITS:
                mount, name = LIMITS[controller]
                folder = Path("/sys/fs/cgroup", mount, group.strip("/"))
                yield from (place / name for place in (folder, *folder.parents))


def memory_bytes() -> int:
    """Memory of the machine, or of the group that this process was put into."""
    found = [os.sysconf("SC_PHYS_PAGES") * mmap.PAGESIZE]
    with suppress(OSError):  # no groups here
        for path in _limits():
            with suppress(OSError, ValueError):  # absent, or "max"
                found.append(int(path.read_text()))
    return min(found)


def too_large(total: int) -> bool:
    """Whether so many bytes, read at random, would not stay in memory beside everything else."""
    return total > SHARE * memory_bytes()


class Scattered(np.ndarray):
    """A read-only array in a mapped file whose pages are asked for before rows are gathered.

    What it gives is what any array gives: parts of it are such arrays, gathered rows plain ones.
    """

    _mapping: mmap.mmap | None = None
    _address = 0  # of the mapping

    @classmethod
    def of(cls, mapped: np.memmap) -> Self:
        """The array of a file mapped by NumPy."""
        array, mapping = mapped.view(cls), mapped._mmap  # NumPy has no public way to it
        array._mapping = mapping
        array._address = np.frombuffer(mapping, np.uint8).__array_interface__["data"][0]
        mapping.madvise(mmap.MADV_RANDOM)
        return array

    def __array_finalize__(self, parent: Any) -> None:
        if isinstance(parent, Scattered):
            self._mapping, self._address = parent._mapping, parent._address

    def __getitem__(self, key: Any) -> Any:
        if not (isinstance(key, np.ndarray) and key.dtype.kind == "i"):
            return super().__getitem__(key)
        self._ask(key)
        return self.view(np.ndarray)[key]

    def _ask(self, rows: np.ndarray) -> None:
        """Have the kernel read the pages of rows, of any order and shape, without waiting."""
        begin = self.__array_interface__["data"][0] - self._address
        inside = self._mapping is not None and 0 <= begin < len(self._mapping)
        if not (inside and self.size and self[:1].flags.c_contiguous):
            return  # computed from such an array, so in memory
        first = begin + rows.reshape(-1) % len(self) * self.strides[0]
        last = first + self[:1].nbytes - 1
        pages = np.unique(np.stack([first, last]) // mmap.PAGESIZE)
        begins = np.flatnonzero(np.diff(pages, prepend=-2) != 1)  # of runs, one request each
        counts = np.diff(begins, append=len(pages))
        for page, count in zip(pages[begins].tolist(), counts.tolist(), strict=True):
            start, length = page * mmap.PAGESIZE, count * mmap.PAGESIZE
            self._mapping.madvise(mmap.MADV_WILLNEED, start, length)
