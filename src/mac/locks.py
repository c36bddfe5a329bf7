"""One process at a time on one piece of work, however many copies of a job were started.

A workflow whose controller was killed starts jobs again while their first copies still run. Locks
are advisory and the kernel's, so they vanish with the process that holds them. Machines that share
a file system share its locks too, if it was mounted with them.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mac.errors import LockError


def _locked(path: Path, *, wait: bool) -> TextIO | None:
    """The locked file, or None if another process holds it and this one shall not wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = path.open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            handle.close()
            return None
        except OSError as error:
            handle.close()
            raise LockError(
                f"this file system has no locks ({error.strerror})",
                file=path,
                remedy="mount it with them (Lustre: flock; NFS: not nolock), or work elsewhere",
            ) from None
        # Whoever held it before removed the file, and another process may have made it anew.
        try:
            if os.path.samestat(os.fstat(handle.fileno()), path.stat()):
                return handle
        except FileNotFoundError:
            pass
        handle.close()


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Hold a lock, waiting for it as long as it takes.

    Args:
        path: the lock's file, which is there only while it is held.

    Yields:
        whether another process, perhaps our double, held it first.
    """
    handle = _locked(path, wait=False)
    waited = handle is None
    if handle is None:
        print(f"waiting for another process at this work ({path})", file=sys.stderr, flush=True)
        handle = _locked(path, wait=True)
    try:
        yield waited
    finally:
        path.unlink(missing_ok=True)
        handle.close()


@contextmanager
def first_free(paths: list[Path]) -> Iterator[int | None]:
    """Hold the first lock that nobody holds; yields its position, None if all are taken."""
    for position, path in enumerate(paths):
        if (handle := _locked(path, wait=False)) is not None:
            try:
                yield position
            finally:
                path.unlink(missing_ok=True)
                handle.close()
            return
    yield None
