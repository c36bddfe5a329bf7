"""Diagnoses of runs, gathered with the rows: their numbers in one file, their films beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mac.errors import DataError
from mac.io import atomic_write_bytes, read_json, sha256_file, write_json
from mac.provenance import check
from mac.stats.source import Source

DIAGNOSES = "diagnostics.json"
FILMS = "films"


@dataclass(frozen=True)
class Diagnoses:
    """What is to be committed of an experiment's diagnoses.

    Attributes:
        entries: content of ``diagnostics.json``: each run's own, with its label and path.
        films: content by name.
        hashes: SHA-256 of the runs' own files by path.
    """

    entries: list[dict[str, Any]]
    films: dict[str, bytes]
    hashes: dict[str, str]

    @classmethod
    def read(cls, paths: Mapping[str, str], source: Source, allow_missing: bool) -> Diagnoses:
        """Those at ``paths`` (label by path), or those committed before.

        Raises:
            DataError: if one is missing.
        """
        found = cls([], {}, {})
        for path, label in paths.items():
            if (source.root / path).is_file():
                found._take(source.root / path, path, label)
            elif path in source.committed:
                found._keep(source, path, label)
            elif not allow_missing:
                raise DataError("a diagnosis is missing", file=source.root / path)
        return found

    def _take(self, file: Path, path: str, label: str) -> None:
        """A diagnosis as its job wrote it."""
        check(file)
        entry = read_json(file)
        for one in entry["films"]:
            if one["file"] is not None:
                check(file.parent / one["file"])
                content = (file.parent / one["file"]).read_bytes()
                one["file"] = f"{FILMS}/{one['task']}-{entry['fingerprint']}.webp"
                self.films[one["file"]] = content
        self.entries.append({**entry, "label": label, "path": path})
        self.hashes[path] = sha256_file(file)

    def _keep(self, source: Source, path: str, label: str) -> None:
        """A diagnosis that was gathered before."""
        entry = next(e for e in read_json(source.folder / DIAGNOSES) if e["path"] == path)
        for one in entry["films"]:
            if one["file"] is not None:
                self.films[one["file"]] = (source.folder / one["file"]).read_bytes()
        self.entries.append({**entry, "label": label})
        self.hashes[path] = source.committed[path]

    def write(self, folder: Path) -> list[str]:
        """Write all into the experiment's folder, and delete films of others; returns the names."""
        for stale in (folder / FILMS).glob("*"):
            if f"{FILMS}/{stale.name}" not in self.films:
                stale.unlink()
        (folder / DIAGNOSES).unlink(missing_ok=True)
        if not self.entries:
            return []
        for name, content in self.films.items():
            atomic_write_bytes(folder / name, content)
        write_json(folder / DIAGNOSES, self.entries)
        return [DIAGNOSES, *self.films]


def read_diagnoses(folder: Path) -> list[dict[str, Any]]:
    """Entries of an experiment's ``diagnostics.json``; none where nothing was diagnosed."""
    path = folder / DIAGNOSES
    return read_json(path) if path.is_file() else []
