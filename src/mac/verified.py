"""Large files that were found right before, and that the file system says are the same since.

Hashing a store of 50 GB takes minutes, and hundreds of jobs open it. What a file system tells of a
file, its change time above all, cannot be set by a program; so a file with the same inode, size and
times as when its hash was last found right is not read again. What rots on the disk by itself stays
unseen by this, and `mac data verify` reads everything.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mac.errors import DataError
from mac.io import read_json, sha256_file, write_json

LARGE = 64 * 2**20  # bytes; smaller files are read in no time
NOTES = ".verified.json"  # beside the files


def is_file_of(
    path: Path, expected: str, digest: Callable[[Path], str] = sha256_file
) -> tuple[bool, str]:
    """Whether a file has the expected SHA-256, and what was found instead.

    A large file is read if it may have changed since it was last found right, or if that cannot be
    noted beside it.
    """
    if not path.is_file():
        return False, "nothing"
    if path.stat().st_size < LARGE:
        found = digest(path)
        return found == expected, found
    if _known(path.with_name(NOTES)).get(path.name) == [expected, *_identity(path)]:
        return True, expected
    seen = _identity(path)
    found = digest(path)
    if found == expected:
        _note(path, found, seen)
    return found == expected, found


def hashed(path: Path, digest: Callable[[Path], str] = sha256_file) -> str:
    """SHA-256 of a file by whom it was written: the next to ask need not read a large one again."""
    seen = _identity(path)
    found = digest(path)
    if path.stat().st_size >= LARGE:
        _note(path, found, seen)
    return found


def _known(notes: Path) -> dict[str, list[str | int]]:
    with suppress(DataError):  # absent, or torn
        return read_json(notes)
    return {}


def _note(path: Path, found: str, seen: list[int]) -> None:
    """Note a file's hash, unless the file changed while it was read."""
    notes = path.with_name(NOTES)
    if _identity(path) == seen:
        with suppress(OSError):  # a folder that is read-only
            write_json(notes, _known(notes) | {path.name: [found, *seen]})


def _identity(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]
