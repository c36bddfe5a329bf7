"""An experiment's file, its suite and its agents, resolved into one configuration for each cell."""

from __future__ import annotations

import difflib
import fnmatch
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from mac.agents.base import Agent, agent_class
from mac.config.load import Layer, Resolved, matching, refuse_idle, resolve
from mac.config.schema import AgentConfig, distinct
from mac.envs.registry import EnvSpec
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

    def shards(self, name: str) -> int:
        """Files of an environment's training data, as this suite has them."""
        own = self.environments[name].get("set")
        layers = [Layer.of("suite", values).values for values in (self.set, own)]
        return int({**layers[0], **layers[1]}.get("data.shards", 1))


class AgentFile(ConfigFile):
    """An agent: its values, those that hold in one mode, and those for some environments."""

    set: Mapping[str, Any] = {}
    modes: Mapping[Literal["reward", "goal"], Mapping[str, Any]] = {}
    overrides: Mapping[str, Mapping[str, Any]] = {}

    def layers(self, path: Path, mode: str, dataset: str = "") -> list[Layer]:
        """What the file says in a mode, of a data set if one is given; the strongest last."""
        name = f"{path} (modes.{mode})"
        return [
            Layer.of(str(path), self.set),
            Layer.of(name, self.modes.get(mode), must_change=True),
            *matching(self.overrides, dataset, str(path)),
        ]


class AgentEntry(ConfigFile):
    """An agent as it takes part in an experiment, perhaps under another label."""

    agent: str | None = None
    set: Mapping[str, Any] = {}


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
        first = error.errors()[0]
        parts = [str(part) for part in first["loc"] if part != "[key]"]
        key = ".".join(repr(part) if _unprintable(part) else part for part in parts)
        found = None if isinstance(first["input"], dict) else repr(first["input"])
        known = ", ".join(model.model_fields) if first["type"] == "extra_forbidden" else None
        remedy = _misspelt(first, model) if first["type"] == "missing" else None
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(
            message, file=path, key=key, found=found, expected=known, remedy=remedy
        ) from None


def _misspelt(missing: Mapping[str, Any], model: type[ConfigFile]) -> str | None:
    """Which key may have been meant to be the ``missing`` one, of those that have no meaning."""
    key, given = str(missing["loc"][-1]), missing["input"]
    odd = [str(name) for name in given if name not in model.model_fields]
    close = difflib.get_close_matches(key, odd, n=1)
    return f"is {close[0]} meant to be it?" if close else None


_FIXED = {
    "agent": "write it as `agents: {LABEL: {agent: NAME}}`",
    "mode": "choose a suite of that mode under `suites`",
}


@dataclass(frozen=True)
class Cell:
    """One agent on one environment: the configuration, and the tasks it is compared on."""

    label: str
    agent: type[Agent]
    environment: EnvSpec
    tasks: tuple[int, ...]
    resolved: Resolved


class Experiment:
    """An experiment and everything its file refers to."""

    def __init__(self, name: str) -> None:
        self.name, self.path = name, find("experiments", name)
        self.file: ExperimentFile = read_config(self.path, ExperimentFile)
        self.unavailable: dict[str, str] = {}

    @cached_property
    def cells(self) -> list[Cell]:
        """Every agent on every environment whose data can be had."""
        self._check_names()
        cells = []
        for suite_name, chosen in self.file.suites.items():
            path = find("suites", suite_name, file=self.path, key=f"suites.{suite_name}")
            suite: SuiteFile = read_config(path, SuiteFile)
            for name, tasks in chosen.items():
                if name in suite.unavailable and not self._have(suite, name):
                    self.unavailable[name] = suite.unavailable[name]
                    continue
                if name not in suite.environments:
                    raise ConfigError(
                        "environment unknown to the suite",
                        file=self.path,
                        key=f"suites.{suite_name}.{name}",
                        expected=", ".join(suite.environments),
                    )
                line = {k: v for k, v in suite.environments[name].items() if k != "set"}
                spec = EnvSpec.from_line(name, line, file=path)
                numbers = tuple(tasks or range(1, spec.tasks + 1))
                for number in numbers:
                    spec.check_task(number, file=self.path, key=f"suites.{suite_name}.{name}")
                cells += [
                    self._cell(label, entry or AgentEntry(), suite_name, path, suite, spec, numbers)
                    for label, entry in self.file.agents.items()
                ]
        refuse_idle(cell.resolved for cell in cells)
        return cells

    @staticmethod
    def _have(suite: SuiteFile, name: str) -> bool:
        """Whether a file says where data are that cannot be had otherwise."""
        line = suite.environments.get(name)
        if line is None:
            return False
        return given("datasets", data_name(line["dataset"], suite.shards(name))) is not None

    def _cell(
        self,
        label: str,
        entry: AgentEntry,
        suite_name: str,
        suite_path: Path,
        suite: SuiteFile,
        spec: EnvSpec,
        tasks: tuple[int, ...],
    ) -> Cell:
        agent = agent_class(entry.agent or label, file=self.path, key=f"agents.{label}")
        if suite.mode not in agent.modes:
            raise ConfigError(
                f"agent {agent.name} does not know {suite.mode} mode",
                file=self.path,
                key=f"agents.{label}",
                expected=", ".join(agent.modes),
            )
        agent_path = find("agents", agent.name)
        file = read_agent(agent)
        own = Layer.of(
            f"{suite_path} ({spec.name})",
            suite.environments[spec.name].get("set"),
            must_change=True,
            shared=True,
        )
        resolved = resolve(
            [
                Layer.of("built in", {"agent": agent.name, "mode": suite.mode}),
                Layer.of(str(find_base()), read_base(), shared=True),
                Layer.of(str(suite_path), suite.set, shared=True),
                own,
                *file.layers(agent_path, suite.mode, spec.dataset),
                self._layer("", self.file.set, shared=True),
                self._layer(
                    f"suite_set.{suite_name}", self.file.suite_set.get(suite_name), shared=True
                ),
                self._layer(f"agents.{label}", entry.set),
            ],
            agent.Config,
            self._configs,
        )
        for key, origin in resolved.origins.items():
            if key in ("agent", "mode") and origin != "built in":
                raise ConfigError(
                    "not a setting", file=origin, key=key, remedy=_FIXED[key], found=None
                )
        self._check_spans(resolved)
        return Cell(label, agent, spec, tasks, resolved)

    @staticmethod
    def _check_spans(resolved: Resolved) -> None:
        """Refuse chunks that no episode of the data has room for, before data are collected."""
        episode = resolved.config.data.episode_length
        for key, length in resolved.config.spans.items():
            if length > episode:
                raise ConfigError(
                    "longer than the episodes of the data",
                    file=resolved.origins.get(key),
                    key=key,
                    found=length,
                    expected=f"at most data.episode_length: {episode}",
                )

    @cached_property
    def _configs(self) -> list[type[AgentConfig]]:
        """Configurations of all agents that are compared."""
        agents = (((e and e.agent) or label, label) for label, e in self.file.agents.items())
        return [
            agent_class(name, file=self.path, key=f"agents.{label}").Config
            for name, label in agents
        ]

    def _layer(self, part: str, values: Mapping[str, Any] | None, *, shared: bool = False) -> Layer:
        """Layer of a part of this file; of a ``shared`` one each agent takes the keys it has.

        A comparison may name a value that is the default: it says what is compared.
        """
        return Layer.of(f"{self.path} ({part})" if part else str(self.path), values, shared=shared)

    def _check_names(self) -> None:
        """Refuse parts of this file that refer to something it does not have."""
        file = self.file
        if file.baseline is not None and file.baseline not in file.agents:
            raise ConfigError(
                "no agent of this experiment",
                file=self.path,
                key="baseline",
                found=file.baseline,
                expected=", ".join(file.agents),
            )
        for name in file.suite_set:
            if name not in file.suites:
                raise ConfigError(
                    "no suite of this experiment",
                    file=self.path,
                    key=f"suite_set.{name}",
                    expected=", ".join(file.suites),
                )


def read_agent(agent: type[Agent]) -> AgentFile:
    """The agent's file.

    Raises:
        ConfigError: naming a mode that the agent does not know, or a pattern that no environment of
            any suite in its modes matches.
    """
    path = find("agents", agent.name)
    file: AgentFile = read_config(path, AgentFile)
    for mode in file.modes:
        if mode not in agent.modes:
            raise ConfigError(
                f"agent {agent.name} does not know this mode",
                file=path,
                key=f"modes.{mode}",
                expected=", ".join(agent.modes),
            )
    known = datasets(agent.modes) if file.overrides else []
    for pattern in file.overrides:
        if not fnmatch.filter(known, pattern):
            raise ConfigError(
                "no data set of any suite matches this pattern",
                file=path,
                key=f"overrides.{pattern}",
                expected=f"a pattern of {', '.join(known)}",
            )
    return file


def datasets(modes: Sequence[str]) -> list[str]:
    """Names of the data sets of all suites in some modes."""
    files = (path for folder in config_folders() for path in (folder / "suites").glob("*.yaml"))
    suites: list[SuiteFile] = [read_config(path, SuiteFile) for path in files]
    lines = (line for s in suites if s.mode in modes for line in s.environments.values())
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


def available() -> list[str]:
    """Names of all experiments that have a file."""
    folders = config_folders()
    return sorted({path.stem for f in folders for path in (f / "experiments").glob("*.yaml")})


def listed() -> list[str]:
    """Experiments that make up the full reproduction, in the order of ``configs/config.yaml``."""
    path = Path("configs/config.yaml")
    content = read_yaml(path)
    names = content.get("experiments")
    if set(content) != {"experiments"} or not isinstance(names, list):
        raise ConfigError("must hold a list of experiments", file=path, key="experiments")
    return names
