"""Stamps: small committed files saying which rows a result was built from and what was written.

The files of ``results/<experiment>`` have fixed names, so their existence says nothing. The rules
``aggregate`` and ``render`` therefore declare
``results/<experiment>/built/<rule>-<fingerprint>.json`` as their output: it exists exactly when
these files were built from exactly these rows.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from mac.errors import DataError
from mac.io import read_json, sha256_file, write_json
from mac.seals import sealed, unsealed

# Raised whenever the numbers (aggregate) or the look (render) of the same rows change. Part of the
# stamps' fingerprints, so that committed results are rebuilt.
REVISIONS = {"aggregate": 5, "render": 7}
# Of the files of ``aggregate``, those that are computed from the others: rows, records, diagnoses.
COMPUTED = ("scores.csv", "summary.json")


def stamp_path(folder: str | Path, rule: str, fingerprint: str) -> Path:
    """Stamp of ``rule`` (aggregate or render) in the experiment folder ``folder``."""
    return Path(folder) / "built" / f"{rule}-{fingerprint}.json"


def write_stamp(
    folder: str | Path,
    rule: str,
    fingerprint: str,
    files: Iterable[str | Path],
    evaluations: Mapping[str, str],
) -> Path:
    """Write a rule's stamp and delete its older ones.

    Args:
        folder: ``results/<experiment>``.
        rule: ``aggregate`` or ``render``.
        fingerprint: of everything the rule reads; planning computes it.
        files: the written files, inside ``folder``.
        evaluations: SHA-256 of the read evaluation files by path relative to the repository.
    """
    folder = Path(folder)
    path = stamp_path(folder, rule, fingerprint)
    content = {
        "rule": rule,
        "fingerprint": fingerprint,
        "revision": REVISIONS[rule],
        "evaluations": dict(evaluations),
        "files": {
            Path(file).relative_to(folder).as_posix(): sha256_file(file) for file in sorted(files)
        },
    }
    write_json(path, sealed(content))
    withdraw(folder, rule, but=path)
    return path


def withdraw(folder: str | Path, rule: str, but: Path | None = None) -> None:
    """Delete the stamps of ``rule``, except ``but``: none vouches for the files any more.

    Their records of origin go with them.
    """
    for stamp in (Path(folder) / "built").glob(f"{rule}-*"):
        if stamp != but:
            stamp.unlink()


def committed(folder: str | Path) -> Mapping[str, str]:
    """SHA-256 by path of the evaluations whose rows are in the experiment folder ``folder``.

    Nothing where none were aggregated.

    Raises:
        DataError: if the rows, or what is known of their runs, are not those of any stamp.
    """
    failure = None
    for stamp in sorted((Path(folder) / "built").glob("aggregate-*.json")):
        try:
            return check_stamp(stamp, but=COMPUTED)["evaluations"]
        except DataError as error:
            failure = error
    if failure is not None:
        raise failure
    return {}


def _remedy(stamp: str | Path) -> str:
    return f"restore it (git restore), or delete {stamp} to have it built anew"


def read_stamp(path: str | Path) -> dict[str, Any]:
    """Content of an existing stamp, whether the files beside it agree or not.

    Raises:
        DataError: if the stamp is unreadable or damaged.
    """
    path, remedy = Path(path), _remedy(path)
    content = unsealed(read_json(path, remedy), path, remedy)
    for key in ("evaluations", "files"):
        if not isinstance(content.get(key), dict):
            raise DataError("not a stamp", file=path, key=key, remedy=remedy)
    return content


def check_stamp(path: str | Path, but: Container[str] = ()) -> dict[str, Any]:
    """Compare the files beside an existing stamp with what it recorded; returns its content.

    ``but`` names files that may have changed.

    Raises:
        DataError: if the stamp is unreadable, or a file is missing or was changed since.
    """
    path, remedy = Path(path), _remedy(path)
    content = read_stamp(path)
    files = {k: v for k, v in content["files"].items() if k not in but}
    if not files:
        raise DataError("not a stamp", file=path, key="files", remedy=remedy)
    for name, expected in files.items():
        file = path.parents[1] / name
        if not file.is_file():
            raise DataError("file of a stamp is missing", file=file, remedy=remedy)
        if (found := sha256_file(file)) != expected:
            raise DataError(
                "file differs from its stamp",
                file=file,
                found=found[:12],
                expected=str(expected)[:12],
                remedy=remedy,
            )
    return content
