"""The files under ``configs``: what each may hold, where they are found, and how they are read."""

from __future__ import annotations

import fnmatch
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from mac.config.load import Layer, matching, patterns
from mac.config.schema import DataConfig, distinct
from mac.config.wording import refusal
from mac.errors import ConfigError
from mac.io import check_name, read_yaml

Numbers = Annotated[
    list[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1), AfterValidator(distinct)
]


_LAYOUT = "\n\t"  # what a caption of several lines holds; a label is one word of a table


def _unprintable(text: str) -> str:
    """The first character with which SVG and HTML are not well-formed, empty if there is none.

    Those are control characters, lone surrogates and two that are no characters at all.
    """
    wrong = (c for c in text if unicodedata.category(c) in ("Cc", "Cs") or c in "\ufffe\uffff")
    return next(wrong, "")


def _label(text: str) -> str:
    if found := _unprintable(text):
        raise ValueError(f"a label cannot hold the character {found!r}")
    return text


def _prose(text: str) -> str:
    if found := _unprintable(text.translate(dict.fromkeys(map(ord, _LAYOUT)))):
        raise ValueError(f"a text cannot hold the character {found!r}")
    return text


Label = Annotated[str, AfterValidator(_label)]
Prose = Annotated[str, AfterValidator(_prose)]


class ConfigFile(BaseModel):
    """Base of all configuration files: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def data_name(dataset: str, shards: int) -> str:
    """Name of a released data set: shards are those of the set of 100M transitions."""
    return dataset if shards == 1 else f"{dataset}-100m"


class SuiteFile(ConfigFile):
    """A suite: its mode, its environments, and values that hold in it.

    An environment's line may end with ``set``: values that hold in this environment alone.
    """

    mode: Literal["reward", "goal"]
    environments: Mapping[str, Mapping[str, Any]]
    unavailable: Mapping[str, str] = Field(
        {}, description="environments whose data cannot be had, and why"
    )
    set: Mapping[str, Any] = {}

    def data(self, name: str, path: Path) -> DataConfig:
        """What this suite, of the file ``path``, says of an environment's data.

        Raises:
            ConfigError: it is no such data, naming file, environment and key.
        """
        own = self.environments[name].get("set")
        layers = [Layer.of("suite", values).values for values in (self.set, own)]
        said = {**layers[0], **layers[1]}
        keys = {k.removeprefix("data."): v for k, v in said.items() if k.startswith("data.")}
        try:
            return _Data.model_validate({"data": said.get("data", keys)}).data
        except ValidationError as error:
            raise refusal(error, _Data, f"{path} ({name})") from None


class _Data(BaseModel):
    """The section ``data`` alone."""

    data: DataConfig


class Tuning(ConfigFile):
    """How settings were found.

    Attributes:
        settings: how many were tried, those chosen among them.
        source: where the values are from, or where the search is told of.
    """

    settings: Annotated[int, Field(ge=1, strict=True)]
    source: Annotated[Label, Field(min_length=1)]


Tunings = Mapping[str, Tuning]  # by pattern of the data set's name


class AgentFile(ConfigFile):
    """An agent: its values, those that hold in one mode, and those for some environments.

    ``tuning`` says how they were found, by pattern of the data set's name.
    """

    set: Mapping[str, Any] = {}
    modes: Mapping[Literal["reward", "goal"], Mapping[str, Any]] = {}
    overrides: Mapping[str, Mapping[str, Any]] = {}
    tuning: Tunings = {}

    def layers(self, path: Path, mode: str, dataset: str = "") -> list[Layer]:
        """What the file says in a mode, of a data set if one is given; the strongest last."""
        name = f"{path} (modes.{mode})"
        return [
            Layer.of(str(path), self.set),
            Layer.of(name, self.modes.get(mode), must_change=True),
            *matching(self.overrides, dataset, str(path)),
        ]


class AgentEntry(ConfigFile):
    """An agent as it takes part in an experiment, perhaps under another label.

    ``suites`` are those of the experiment that it takes part in, each with values that hold there;
    all of them where it is absent. ``tuning`` is of what the experiment sets, and counts instead of
    the agent's own.
    """

    agent: str | None = None
    set: Mapping[str, Any] = {}
    suites: Annotated[Mapping[str, Mapping[str, Any] | None], Field(min_length=1)] | None = None
    tuning: Tunings = {}


class ExperimentFile(ConfigFile):
    """What is compared: suites with environments and tasks, agents, seeds."""

    title: Prose
    caption: Prose
    suites: Mapping[str, Annotated[Mapping[str, Numbers | None], Field(min_length=1)]] = Field(
        min_length=1
    )
    agents: Mapping[Label, AgentEntry | None] = Field(min_length=1)
    seeds: Numbers
    set: Mapping[str, Any] = {}
    suite_set: Mapping[str, Mapping[str, Any]] = {}
    requires_gpu: bool = False
    paper: str | None = None
    baseline: str | None = None
    diagnose: bool = Field(
        False, description="look inside the first seed's runs: candidates, and films of episodes"
    )


def config_folders() -> list[Path]:
    """Folders of configuration files: those of ``MAC_CONFIG_PATH``, then ``configs``."""
    extra = [Path(p) for p in os.environ.get("MAC_CONFIG_PATH", "").split(os.pathsep) if p]
    return [*extra, Path("configs")]


def given(kind: str, name: str) -> Path | None:
    """File ``<kind>/<name>.yaml`` in the first folder that has it, if any has."""
    paths = (folder / kind / f"{name}.yaml" for folder in config_folders())
    return next((path for path in paths if path.is_file()), None)


def find(kind: str, name: str, *, file: Path | None = None, key: str | None = None) -> Path:
    """File ``<kind>/<name>.yaml`` in the first folder that has it.

    ``file`` and ``key`` are where the name stands, if anywhere.
    """
    check_name(name, file=file, key=key or kind)
    if (path := given(kind, name)) is not None:
        return path
    folders = [folder / kind for folder in config_folders()]
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise ConfigError(
        f"no {kind.rstrip('s')} of this name in {', '.join(map(str, folders))}",
        file=file,
        key=key or name,
        expected=", ".join(known) or "a YAML file",
    )


@lru_cache
def read_config(path: Path, model: type[ConfigFile]) -> Any:
    """The content of a file that ``model`` describes, read once; errors name file and key."""
    content = read_yaml(path)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise refusal(error, model, path) from None


def check_patterns(found: Iterable[str], known: Sequence[str], file: Path, key: str) -> None:
    """Refuse patterns under ``key`` of a file that match no ``known`` data set."""
    for pattern in found:
        if not fnmatch.filter(known, pattern):
            raise ConfigError(
                "no data set matches this pattern",
                file=file,
                key=f"{key}.{pattern}",
                expected=f"a pattern of {', '.join(known)}",
            )


def tuning_of(tunings: Tunings, dataset: str, file: Path, key: str) -> Tuning | None:
    """How the settings for a data set were found, by the most specific pattern; None if untold."""
    found = patterns(tunings, dataset, str(file), key)
    return tunings[found[-1]] if found else None


def suites(modes: Sequence[str]) -> Iterator[tuple[Path, SuiteFile]]:
    """All suites in some modes, and their files."""
    for path in (path for f in config_folders() for path in (f / "suites").glob("*.yaml")):
        suite: SuiteFile = read_config(path, SuiteFile)
        if suite.mode in modes:
            yield path, suite


def datasets(modes: Sequence[str]) -> list[str]:
    """Names of the data sets of all suites in some modes."""
    lines = (line for _, s in suites(modes) for line in s.environments.values())
    return sorted({str(line["dataset"]) for line in lines if "dataset" in line})


def find_base() -> Path:
    """The file with every agent's values."""
    return next(
        (f / "base.yaml" for f in config_folders() if (f / "base.yaml").is_file()),
        Path("configs/base.yaml"),
    )


def read_base() -> dict[str, Any]:
    """Values of every agent."""
    return read_yaml(find_base())
