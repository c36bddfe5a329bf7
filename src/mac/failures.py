"""Failures that trying again does not mend, remembered beside the state of interrupted work.

A workflow, or a cluster, tries failed jobs again. Where the cause is permanent, as
:class:`mac.errors.MacError` tells of its classes, every attempt would cost a place in the queue and
the time up to the same message. So the first one leaves the message, and later ones end with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mac.errors import DataError, MacError
from mac.io import read_json, write_json
from mac.seals import sealed, unsealed


class RememberedError(MacError):
    """What an earlier attempt failed with; it is not remembered a second time."""


@contextmanager
def remembered(path: Path, reads: Iterable[Path], *, remedy: str) -> Iterator[None]:
    """Raise what a former attempt left in ``path``; leave there what this one fails with for good.

    Args:
        path: the memory's file; its name carries the job's fingerprint.
        reads: folders that the job reads. The memory holds while their files stay as they were, so
            a damaged input that was made anew counts at once.
        remedy: what to do once the cause is mended.
    """
    reads = list(reads)
    with suppress(DataError):  # absent, or damaged
        failure = unsealed(read_json(path), path)
        if failure.get("read") == _state(reads):
            raise RememberedError(failure["message"], remedy=remedy)
    path.unlink(missing_ok=True)
    try:
        yield
    except MacError as error:
        if error.permanent:
            with suppress(OSError):  # the message matters more than its memory
                write_json(path, sealed({"message": str(error), "read": _state(reads)}))
        raise


def _state(folders: Iterable[Path]) -> dict[str, Any]:
    """Size and time of change, in ns, of the files in some folders."""
    files = (file for folder in folders if folder.is_dir() for file in folder.iterdir())
    return {str(f): [f.stat().st_size, f.stat().st_mtime_ns] for f in files if f.is_file()}
