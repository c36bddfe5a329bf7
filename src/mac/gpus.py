"""The NVIDIA GPUs of this machine, known without torch, and how jobs side by side share them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mac.locks import first_free

DEVICES = Path("/dev")
CHOICE = "CUDA_VISIBLE_DEVICES"  # CUDA's own; it is read when a process first uses a GPU


def visible() -> list[str]:
    """Names of the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` has them."""
    present = sorted(
        (path.name.removeprefix("nvidia") for path in DEVICES.glob("nvidia[0-9]*")), key=int
    )
    chosen = os.environ.get(CHOICE)
    if not present or chosen is None:
        return present
    names = [name.strip() for name in chosen.split(",")]
    return names[: next((i for i, name in enumerate(names) if name in ("", "-1")), len(names))]


@contextmanager
def claimed() -> Iterator[None]:
    """Show this process one GPU only, one that no other job of this user has claimed.

    Nothing is done where there is no choice, as on a cluster that hands out single GPUs.
    """
    names = visible()
    if len(names) < 2:
        yield
        return
    folder = Path(tempfile.gettempdir()) / f"mac-gpus-{os.getuid()}"
    with first_free([folder / name for name in names]) as position:
        if position is None:  # more jobs than GPUs, by somebody's wish: share one of them
            position = os.getpid() % len(names)
        before = os.environ.get(CHOICE)
        os.environ[CHOICE] = names[position]
        try:
            yield
        finally:
            if before is None:
                del os.environ[CHOICE]
            else:
                os.environ[CHOICE] = before
