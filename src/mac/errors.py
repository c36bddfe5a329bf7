"""The project's exceptions: one line on where, what was found, what was expected, what to do."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import ClassVar


class MacError(Exception):
    """A mistake a user can mend; the command line prints it as one line, without a traceback.

    ``permanent`` says of a class whether a job that failed so would fail so again: its cause lies
    in what the job is a function of, not in the machine or the moment.

    Args:
        message: what went wrong, in one clause.
        file: the file concerned.
        key: the configuration key, array or column concerned.
        found: the offending value.
        expected: what would have been accepted.
        remedy: what the user can do about it.
    """

    permanent: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        key: str | None = None,
        found: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        where = ": ".join(str(part) for part in (file, key) if part is not None)
        text = f"{where}: {message}" if where else message
        if found is not None:
            text += f"; found {found}"
        if expected is not None:
            text += f"; expected {expected}"
        if remedy is not None:
            text += f"; {remedy}"
        super().__init__(" ".join(text.split()))


class ConfigError(MacError):
    """A configuration file or value that cannot be used."""

    permanent = True


class DataError(MacError):
    """A data file whose content is not what its format promises."""

    permanent = True


class MissingDataError(DataError):
    """Data that is not here and could not be obtained."""


class MissingInputError(MacError):
    """What another job makes, and has not made yet."""


class UnreachableError(MissingDataError):
    """Data that no place gives right now; it may later, or another place may."""

    permanent = False


class ShapeError(MacError):
    """Arrays whose shapes do not fit together."""

    permanent = True


class CheckpointError(MacError):
    """A checkpoint that is missing, damaged or belongs to something else."""

    permanent = True


class TrainingError(MacError):
    """Training that cannot go on, such as a loss that is no longer finite."""

    permanent = True


class DeviceError(MacError):
    """A device that was asked for and is not there; another machine may have it."""


class LockError(MacError):
    """A lock that cannot be had, by anybody."""


class SystemFault(MacError):
    """What the operating system refused: room on a disk, memory, the right to write."""


_REFUSALS = {
    errno.ENOSPC: ("no room is left on the disk", "free some"),
    errno.EDQUOT: ("the disk quota is used up", "free some"),
    errno.EROFS: ("the file system is read-only", "make it writable"),
    errno.EACCES: ("no permission", "allow this user to read and write here"),
    errno.EPERM: ("no permission", "allow this user to read and write here"),
    errno.EIO: ("the disk failed to read or write", "check it"),
}


def refused(error: OSError) -> SystemFault | None:
    """One line on what the operating system refused; None for what may be a fault of ours."""
    if error.errno not in _REFUSALS:
        return None
    message, remedy = _REFUSALS[error.errno]
    return SystemFault(
        message,
        file=error.filename,
        found=error.strerror,
        remedy=f"{remedy} and run it again: finished work is kept",
    )
