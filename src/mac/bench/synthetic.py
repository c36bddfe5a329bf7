"""A store of noise, as large as wanted: for the speed of reading, which does not look at values."""

from __future__ import annotations

import io
import mmap
import os
import shutil
from pathlib import Path

import numpy as np

from mac.data.store import FORMAT, INDEX
from mac.errors import DataError
from mac.io import write_json
from mac.rng import stream

LENGTH = 1000  # transitions of an episode
# As cube-octuple, whose data sets are the largest.
WIDTHS = {"observations": 91, "actions": 5, "goals": 24}
TASKS = 5
FLAGS = ("terminals", "valids")  # which sampling never reads
BLOCK = 1 << 26  # bytes of noise, written again and again


def shapes(transitions: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of that many transitions, rounded down to whole episodes."""
    episodes = max(1, transitions // LENGTH)
    rows = episodes * (LENGTH + 1)
    return {
        **{key: (rows, width) for key, width in WIDTHS.items()},
        **{key: (TASKS, rows) for key in ("rewards", "masks")},
        **{key: (rows,) for key in FLAGS},
        **{key: (episodes,) for key in INDEX},
    }


def write(folder: Path, transitions: int) -> int:
    """Write the training split and the manifest of such a store; returns its bytes.

    Raises:
        DataError: if the disk has not that much room.
    """
    arrays = shapes(transitions)
    size = 4 * sum(int(np.prod(shape)) for shape in arrays.values())
    free = shutil.disk_usage(folder).free
    if free < 1.02 * size + BLOCK:
        raise DataError(
            "not enough room on the disk",
            file=folder,
            found=f"{free / 1e9:.1f} GB free",
            expected=f"{size / 1e9:.1f} GB",
            remedy="name another folder, or fewer --transitions in a smaller memory group",
        )
    episodes = arrays["starts"][0]
    for key, shape in arrays.items():
        path = folder / f"train_{key}.npy"
        if key in INDEX:
            index = np.full(episodes, LENGTH, np.int64)
            np.save(path, np.arange(episodes) * (LENGTH + 1) if key == "starts" else index)
        else:
            _noise(path, shape)
    unit = {
        key: {"min": [-1.0] * WIDTHS[key], "max": [1.0] * WIDTHS[key]}
        for key in ("observations", "goals")
    }
    split = {
        "files": [{"rows": arrays["valids"][0]}],
        "shapes": {key: list(shape) for key, shape in arrays.items()},
    }
    manifest = {"format": FORMAT, "splits": {"train": split}, "statistics": {"validation": unit}}
    write_json(folder / "manifest.json", manifest)
    return sum(path.stat().st_size for path in folder.glob("*.npy"))


def _noise(path: Path, shape: tuple[int, ...]) -> None:
    """Write a float32 array of noise in [-1, 1), past the page cache where that can be."""
    head = io.BytesIO()
    description = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, description)
    noise = stream(0, "bench", "synthetic", path.name).random(BLOCK // 4, dtype=np.float32)
    total = len(head.getvalue()) + 4 * int(np.prod(shape))
    with mmap.mmap(-1, BLOCK) as block:  # aligned, as direct writing wants it
        block[:] = (2 * noise - 1).tobytes()
        block[: len(head.getvalue())] = head.getvalue()
        file = _open(path)
        try:
            for first in range(0, total, BLOCK):
                os.pwrite(file, block, first)
                if first == 0:
                    block[: len(head.getvalue())] = noise[: len(head.getvalue()) // 4].tobytes()
            os.ftruncate(file, total)
            os.fsync(file)
        finally:
            os.close(file)


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        return os.open(path, flags | os.O_DIRECT)
    except OSError:  # not every file system has it
        return os.open(path, flags)
