"""Files as they are in a commit or in a folder, read without a checkout."""

from __future__ import annotations

import subprocess
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from mac.errors import DataError, MacError

WORKING_TREE = "working tree"


class Tree(Protocol):
    """Files by path relative to a repository's root.

    Attributes:
        name: what the user calls it.
        commit: full id of the commit; None for a folder.
    """

    name: str
    commit: str | None

    def glob(self, pattern: str) -> list[str]:
        """Paths of the files that match a pattern such as ``results/*/summary.json``, sorted."""

    def read(self, path: str) -> bytes:
        """Bytes of a file; raises :class:`DataError` where there is none."""


class Folder:
    """Files of a folder: a working tree, an unpacked archive, downloaded results."""

    commit = None

    def __init__(self, root: Path, name: str | None = None) -> None:
        self.root, self.name = root, name or str(root)

    def glob(self, pattern: str) -> list[str]:
        """Paths of the files that match, sorted."""
        return sorted(
            p.relative_to(self.root).as_posix() for p in self.root.glob(pattern) if p.is_file()
        )

    def read(self, path: str) -> bytes:
        """Bytes of a file."""
        try:
            return (self.root / path).read_bytes()
        except OSError:
            raise DataError("no such file", file=f"{self.name}/{path}") from None


class Commit:
    """Files of a commit of the repository in the current folder, read from its object database."""

    def __init__(self, name: str, commit: str) -> None:
        self.name, self.commit = name, commit

    @cached_property
    def _paths(self) -> list[str]:
        """Every file below the current folder, relative to it."""
        listing = git("ls-tree", "-r", "-z", "--name-only", self.commit)
        return [path for path in listing.decode(errors="surrogateescape").split("\0") if path]

    def glob(self, pattern: str) -> list[str]:
        """Paths of the files that match, sorted."""
        depth = len(PurePosixPath(pattern).parts)
        found = (path for path in self._paths if PurePosixPath(path).match(pattern))
        return sorted(path for path in found if len(PurePosixPath(path).parts) == depth)

    def read(self, path: str) -> bytes:
        """Bytes of a file."""
        if path not in self._paths:
            raise DataError("no such file", file=f"{self.name}:{path}")
        return git("cat-file", "blob", f"{self.commit}:./{path}")


def git(*arguments: str) -> bytes:
    """Output of a git command in the current folder; a failure raises :class:`MacError`."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise MacError("git is missing", remedy="install it, or compare two folders") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["failed"]
        raise MacError(f"git {arguments[0]}: {lines[-1]}")
    return done.stdout


def opened(name: str | None) -> Tree:
    """The tree that ``name`` means: the working tree without one, a revision, or else a folder.

    A revision is anything git resolves to a commit; ``./name`` is always a folder.

    Raises:
        MacError: if it is neither.
    """
    if name is None:
        return Folder(Path("."), WORKING_TREE)
    try:
        found = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return Commit(name, found.decode().strip())
    except MacError as error:
        if name and Path(name).is_dir():
            return Folder(Path(name))
        raise MacError(
            "neither a revision nor a folder",
            key=name,
            found="nothing here" if "failed" in str(error) else str(error),
            expected="a commit, branch or tag of this repository, or a folder with results",
            remedy="a shallow clone lacks older commits: `git fetch --unshallow`",
        ) from None
