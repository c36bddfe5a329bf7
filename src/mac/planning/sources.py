"""Where released files are hosted, and which are hosted nowhere."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mac.errors import ConfigError
from mac.planning.files import (
    ConfigFile,
    config_folders,
    data_name,
    find,
    given,
    read_config,
)

if TYPE_CHECKING:
    from mac.planning.job import Job

FROM = "MAC_DATA_FROM"  # a place that is tried before all others
TOLD = f"--from or {FROM}"


class Hosted(ConfigFile):
    """Names of the data sets that are hosted, as regular expressions."""

    files: str
    shards: str


class SourcesFile(ConfigFile):
    """Places of data sets, addresses or folders, in the order in which they are tried.

    Attributes:
        places: see above.
        file: path below a place of a data set that is one file.
        shard: path of one shard.
        parallel: transfers side by side.
        allow_http: anybody on the way could change the data.
        hosted: what can be had there; everything where the key is missing.
    """

    places: Annotated[list[str], Field(min_length=1)]
    file: str = "{file}"
    shard: str = "{dataset}-100m-v0/{file}"
    parallel: Annotated[int, Field(ge=1, le=32)] = 4
    allow_http: bool = Field(False, strict=True)
    hosted: Hosted | None = None

    def has(self, dataset: str, shards: int) -> bool:
        """Whether a data set can be had there, as far as the file tells."""
        if self.hosted is None:
            return True
        pattern = self.hosted.files if shards == 1 else self.hosted.shards
        return re.fullmatch(pattern, dataset, re.VERBOSE) is not None


def sources(dataset: str, shards: int) -> tuple[Path, SourcesFile]:
    """The file that says where a data set is: its own, or that of all of OGBench."""
    path = given("datasets", data_name(dataset, shards)) or find("datasets", "ogbench")
    return path, read_config(path, SourcesFile)


def refuse_unhosted(dataset: str, shards: int, place: str | None = None) -> None:
    """Raise ConfigError for a data set that is hosted nowhere, unless a ``place`` is given."""
    path, file = sources(dataset, shards)
    if not (file.has(dataset, shards) or place or os.environ.get(FROM)):
        name = data_name(dataset, shards)
        raise ConfigError(
            f"{name} is hosted nowhere",
            file=path,
            key=f"hosted.{'files' if shards == 1 else 'shards'}",
            remedy=f"collect it (`mac data collect {name}`, in experiments `data.source: collect`)"
            f", or say where it is: {TOLD}, or {path.with_name(f'{name}.yaml')}",
        )


@dataclass(frozen=True)
class Sources:
    """Where the files of a job are, and where what is known of them is written.

    Attributes:
        name: of the data set.
        places: of each file, in the order in which they are tried.
        told: of each file, the first of them: where it is if the user is right.
        parallel: transfers side by side.
        manifests: files with sizes and hashes; new ones go into the first.
    """

    name: str
    places: list[list[str]]
    told: list[list[str]]
    parallel: int
    manifests: list[Path]


def offered(job: Job, place: str | None = None) -> Sources:
    """Where the files of a fetch job are.

    Args:
        job: of the plan.
        place: an address or folder to try first.

    Raises:
        ConfigError: nothing has them, or an address is not https and the file of sources does not
            permit that.
    """
    dataset, shards = job.task, job.config["data"]["shards"]
    refuse_unhosted(dataset, shards, place)
    path, file = sources(dataset, shards)
    told, others = [place] if place else [], file.places if file.has(dataset, shards) else []
    for one in told:
        _refuse_open(one, file, path, TOLD)
        if "://" not in one and not Path(one).expanduser().is_dir():
            raise ConfigError(
                "no such folder", key=TOLD, found=one, expected="a folder, or an https address"
            )
    for one in others:
        _refuse_open(one, file, path, f"{path}: places")
    layout = file.file if shards == 1 else file.shard
    below = {name: layout.format(dataset=dataset, file=name) for name in job.data_files}
    return Sources(
        data_name(dataset, shards),
        [_spots([*told, *others], path, name) for name, path in below.items()],
        [_spots(told, path, name) for name, path in below.items()],
        file.parallel,
        manifests(),
    )


def _refuse_open(place: str, file: SourcesFile, path: Path, key: str) -> None:
    """Refuse an address that ``file`` does not permit; ``key`` is where it stands."""
    if "://" in place and not place.startswith("https://") and not file.allow_http:
        raise ConfigError(
            "not an https address",
            key=key,
            found=place,
            remedy="anybody on the way could change the data; `allow_http: true` in "
            f"{path} permits it nevertheless",
        )


def manifests() -> list[Path]:
    """Files with what is known of released files; users' own come first."""
    return [folder / "datasets" / "manifest.json" for folder in config_folders()]


def _spots(every: list[str], below: str, name: str) -> list[str]:
    """Where one file may be; a user's folder may have either layout."""
    spots: list[str] = []
    for one in every:
        if "://" in one:
            spots.append(f"{one.rstrip('/')}/{below}")
        else:
            folder = Path(one).expanduser()
            spots += dict.fromkeys([str(folder / below), str(folder / name)])
    return spots
