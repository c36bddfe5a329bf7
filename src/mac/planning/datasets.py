"""Data sets by name, without an experiment that uses them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mac.config.schema import DataConfig
from mac.envs.registry import EnvSpec
from mac.errors import ConfigError, MissingDataError
from mac.planning.files import SuiteFile, config_folders, data_name, read_config
from mac.planning.job import RAW, STORES, Job
from mac.planning.stores import raw_jobs, store_job

MARK = 13  # a dash and a fingerprint end a store's name


def known() -> Iterator[tuple[str, EnvSpec, DataConfig]]:
    """Name, environment and section ``data``, as a suite has it, of every data set of the suites.

    Last come the sets of one file of which suites have the shards alone.
    """
    alone = []
    for folder in config_folders():
        for path in sorted((folder / "suites").glob("*.yaml")):
            suite: SuiteFile = read_config(path, SuiteFile)
            for name, line in suite.environments.items():
                facts = {key: value for key, value in line.items() if key != "set"}
                spec = EnvSpec.from_line(name, facts, file=path)
                data = suite.data(name, path)
                yield data_name(spec.dataset, data.shards), spec, data
                alone.append((spec.dataset, spec, data.model_copy(update={"shards": 1})))
    yield from alone


def data_jobs(name: str, source: str) -> list[Job]:
    """The jobs that fetch or collect a data set.

    Args:
        name: of the data set, for instance ``cube-single-play``, or ``cube-double-play-100m``.
        source: ``fetch`` or ``collect``.
    """
    spec, data, shared = _asked(name, source)
    return raw_jobs(spec, data, **shared)


def store_of(name: str) -> Job:
    """The job that builds the store of a data set whose raw files are here, fetched or collected.

    Raises:
        MissingDataError: they are not.
    """
    for raw, store in _ways(name):
        if all(Path(path).exists() for job in raw for path in job.outputs):
            return store
    raise MissingDataError(
        "its raw files are not here",
        key=name,
        remedy=f"run `mac data fetch {name}` or `mac data collect {name}`, or name an experiment "
        "that has data of its own (--experiment, --task)",
    )


def all_jobs(name: str) -> list[Job]:
    """All jobs that bring a data set here, or build its store."""
    return [job for raw, store in _ways(name) for job in (*raw, store)]


def _ways(name: str) -> Iterator[tuple[list[Job], Job]]:
    """How a data set may come here: jobs of its raw files, and of the store that they make."""
    for source in ("fetch", "collect"):
        spec, data, shared = _asked(name, source)
        raw = raw_jobs(spec, data, **shared)
        yield raw, store_job(spec, raw, **shared)


def _asked(name: str, source: str) -> tuple[EnvSpec, DataConfig, dict[str, Any]]:
    """Environment and data of a name, and what else its jobs have."""
    found = {known_name: (spec, data) for known_name, spec, data in reversed([*known()])}
    if name not in found:
        raise ConfigError(
            "no such data set in any suite", key=name, expected=", ".join(sorted(found))
        )
    spec, data = found[name]
    data = data.model_copy(update={"source": source})
    shared = {
        "experiment": name,
        "task": spec.dataset,
        "environment": spec,
        "config": {"data": data.model_dump(mode="json"), "compute": {"device": "cpu"}},
    }
    return spec, data, shared


def built(name: str) -> Path:
    """Folder of the one store of a data set that is built here, or of that of this folder's name.

    Raises:
        MissingDataError: none is built.
        ConfigError: several are.
    """
    folders = sorted(path.parent for path in STORES.glob("*/manifest.json"))
    names = (name, name.removesuffix("-100m"))
    found = [path for path in folders if {path.name, path.name[:-MARK]} & set(names)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(
            "several stores of this data set are built here",
            key=name,
            expected=" or ".join(path.name for path in found),
        )
    raise MissingDataError(
        "no store of this data set is built here",
        key=name,
        found=", ".join(path.name for path in folders) or None,
        remedy=f"run `mac data build {name}`",
    )


def raw_folders(names: Sequence[str]) -> list[tuple[Path, str]]:
    """Folders of raw files and the data set of each: all, or those of some data sets."""
    folders = sorted({path.parent for path in RAW.glob("*/*.npz")})
    found = [
        (path, re.sub(r"-\d+shards$|(-\d{3,})?-[0-9a-f]{12}$", "", path.name)) for path in folders
    ]
    if not names:
        return found
    chosen = [(p, d) for p, d in found if {p.name, d, data_name(d, 2)} & set(names)]
    if not chosen:
        raise MissingDataError(
            "no raw files of this name", file=RAW, found=", ".join(p.name for p in folders) or None
        )
    return chosen


def environment(dataset: str) -> EnvSpec | None:
    """The environment of a data set's name in any suite, if one has it."""
    return next((spec for _, spec, _ in known() if spec.dataset == dataset), None)
