"""Raw files as a job has them: fetched, and verified at any time."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mac.data.fetch import CHECKED, Wanted, fetch
from mac.data.manifest import Manifest, facts
from mac.data.raw import read_raw
from mac.envs.registry import EnvSpec, adapter
from mac.errors import ConfigError, DataError
from mac.io import read_json, read_yaml, write_json
from mac.provenance import RECORD

SIZES = "fetched.json"  # size and SHA-256 of each file of a folder, written last


def fetch_released(job: Any, sources: Any) -> None:
    """Get the raw files of a job.

    Args:
        job: of the plan; see :class:`mac.planning.job.Job`.
        sources: where its files are; see :class:`mac.planning.sources.Sources`.
    """
    spec = job.environment
    found = fetch(
        [
            Wanted(job.directory / name, places, told)
            for name, places, told in zip(job.data_files, sources.places, sources.told, strict=True)
        ],
        partial(check_raw, spec=spec),
        Manifest(job.directory.name, sources.manifests),
        parallel=sources.parallel,
        remedy=lambda: _otherwise(spec, sources.name),
    )
    write_json(job.directory / SIZES, found)
    (job.directory / CHECKED).unlink(missing_ok=True)


def _otherwise(spec: EnvSpec, name: str) -> str:
    """What helps where no place has the data set of this name."""
    try:
        adapter(spec).collector(spec)
    except ConfigError:
        return "say where else it is: --from FOLDER_OR_ADDRESS"
    return (
        f"say where else it is: --from FOLDER_OR_ADDRESS; or `mac data collect {name}` "
        "collects an equivalent one here, for experiments with data.source: collect"
    )


def check_raw(file: Path, spec: EnvSpec) -> None:
    """Read a raw file in full: the archive's own checksums, then every array that is used.

    Raises:
        DataError: it is truncated or damaged, an array is missing, or one has a shape, type, values
            or episode ends that the format does not allow.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise DataError(f"not a whole npz file ({error})", file=file) from None
    if damaged is not None:
        raise DataError("damaged", file=file, key=damaged.removesuffix(".npy"))
    read_raw(file, spec)


def verify(folder: Path, spec: EnvSpec | None, manifest: Manifest) -> Iterator[str]:
    """Read all raw files of a folder again; yields a line for each that is not right.

    Args:
        folder: fetched or collected files.
        spec: their environment, if it is known; without it arrays are not looked at.
        manifest: what is known of released files.
    """
    told: dict[str, str] = {}
    if (record := folder / RECORD).is_file():
        told |= read_yaml(record).get("files") or {}
    if (sizes := folder / SIZES).is_file():
        told |= {name: known["sha256"] for name, known in read_json(sizes).items()}
    names = {path.name for path in folder.glob("*.npz")} | {n for n in told if n.endswith(".npz")}
    for name in sorted(names):
        path = folder / name
        if not path.is_file():
            yield f"{path}: not there"
            continue
        found = facts(path)
        wrong = manifest.differs(name, found)
        if wrong is None and told.get(name, found["sha256"]) != found["sha256"]:
            wrong = f"SHA-256 {found['sha256'][:12]}… instead of {told[name][:12]}…"
        if wrong is not None:
            yield f"{path}: {wrong}"
        elif spec is not None:
            try:
                check_raw(path, spec)
            except DataError as error:
                yield str(error)
