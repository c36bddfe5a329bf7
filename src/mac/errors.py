"""The project's exceptions: one line on where, what was found, what was expected, what to do."""

from __future__ import annotations

from pathlib import Path


class MacError(Exception):
    """A mistake a user can mend; the command line prints it as one line, without a traceback.

    Args:
        message: what went wrong, in one clause.
        file: the file concerned.
        key: the configuration key, array or column concerned.
        found: the offending value.
        expected: what would have been accepted.
        remedy: what the user can do about it.
    """

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


class DataError(MacError):
    """A data file whose content is not what its format promises."""


class MissingDataError(DataError):
    """Data that is not here and could not be obtained."""


class ShapeError(MacError):
    """Arrays whose shapes do not fit together."""


class CheckpointError(MacError):
    """A checkpoint that is missing, damaged or belongs to something else."""


class TrainingError(MacError):
    """Training that cannot go on, such as a loss that is no longer finite."""


class DeviceError(MacError):
    """A device that was asked for and is not there."""
