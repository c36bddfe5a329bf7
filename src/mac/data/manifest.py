"""Size and SHA-256 of every released file, as first seen; committed, so that all see the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mac.errors import DataError
from mac.io import read_json, sha256_file, write_json
from mac.locks import alone

NAME = "manifest.json"
Facts = dict[str, Any]  # {"bytes": int, "sha256": str}


def facts(path: Path) -> Facts:
    """Size and SHA-256 of a file."""
    return {"bytes": path.stat().st_size, "sha256": sha256_file(path)}


class Manifest:
    """What is known of the files of a data set.

    Nobody publishes hashes of these files. So the first content that passes all checks is trusted
    and written down, and from then on no other counts, whatever machine or mirror it comes from.

    Args:
        dataset: name of the data set's folder.
        paths: manifests, the first that knows a file counts; new files go into the first.
    """

    def __init__(self, dataset: str, paths: Sequence[Path]) -> None:
        self.dataset, self.paths = dataset, list(paths)
        self._known: dict[str, Facts] = {}
        for path in reversed(self.paths):
            self._known |= _read(path).get(dataset, {})

    def get(self, name: str) -> Facts | None:
        """Facts of a file; None if nobody has seen it."""
        return self._known.get(name)

    def differs(self, name: str, found: Mapping[str, Any]) -> str | None:
        """How a file is not what is known of it; None where it is, or where nothing is known."""
        known = self.get(name)
        if known is None or known == found:
            return None
        if found["bytes"] != known["bytes"]:
            return f"{found['bytes']} bytes instead of {known['bytes']}"
        return f"SHA-256 {found['sha256'][:12]}… instead of {known['sha256'][:12]}…"

    def remember(self, name: str, found: Facts) -> bool:
        """Write down a file that nobody has seen before; returns whether that was so."""
        if name in self._known:
            return False
        path = self.paths[0]
        with alone(path.with_name(f".{NAME}.lock")):
            content = _read(path)
            content.setdefault(self.dataset, {}).setdefault(name, dict(found))
            write_json(path, content)
        self._known[name] = content[self.dataset][name]
        return True


def _read(path: Path) -> dict[str, dict[str, Facts]]:
    if not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError("not a manifest", file=path, found=type(content).__name__)
    for dataset, files in content.items():
        for name, known in files.items() if isinstance(files, dict) else [("", None)]:
            plain = isinstance(known, dict) and set(known) == {"bytes", "sha256"}
            if not (
                plain
                and isinstance(known["bytes"], int)
                and re.fullmatch("[0-9a-f]{64}", str(known["sha256"]))
            ):
                raise DataError(
                    "not a file's facts",
                    file=path,
                    key=f"{dataset}.{name}",
                    found=known,
                    expected="bytes and sha256",
                )
    return content
