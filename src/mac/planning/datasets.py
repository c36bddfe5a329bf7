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
from mac.planning.plan import RAW, Job, raw_jobs


def known() -> Iterator[tuple[str, EnvSpec, dict[str, Any]]]:
    """Name, environment and section ``data``, as a suite has it, of every data set of the suites.

    The training set of one file is known beside that of several shards.
    """
    for folder in config_folders():
        for path in sorted((folder / "suites").glob("*.yaml")):
            suite: SuiteFile = read_config(path, SuiteFile)
            for name, line in suite.environments.items():
                facts = {key: value for key, value in line.items() if key != "set"}
                spec = EnvSpec.from_line(name, facts, file=path)
                for shards in dict.fromkeys((suite.shards(name), 1)):
                    data = {**suite.data(name), "shards": shards}
                    yield data_name(spec.dataset, shards), spec, data


def data_jobs(name: str, source: str) -> list[Job]:
    """The jobs that fetch or collect a data set.

    Args:
        name: of the data set, for instance ``cube-single-play``, or ``cube-double-play-100m``.
        source: ``fetch`` or ``collect``.
    """
    found = {known_name: (spec, values) for known_name, spec, values in reversed([*known()])}
    if name not in found:
        raise ConfigError(
            "no such data set in any suite", key=name, expected=", ".join(sorted(found))
        )
    spec, values = found[name]
    data = DataConfig(**{**values, "source": source})
    return raw_jobs(
        spec,
        data,
        experiment=name,
        task=spec.dataset,
        environment=spec,
        config={"data": data.model_dump(mode="json"), "compute": {"device": "cpu"}},
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
