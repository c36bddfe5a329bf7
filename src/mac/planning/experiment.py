"""An experiment's file, its suite and its agents, resolved into one configuration for each cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mac.agents.base import Agent, agent_class, registry
from mac.config.load import Layer, Resolved, flatten, refuse_idle, sections
from mac.config.schema import AgentConfig
from mac.envs.registry import EnvSpec
from mac.errors import ConfigError
from mac.io import read_yaml
from mac.planning.agent_file import base_layer, layers, read_agent, refuse_strays, resolve_settings
from mac.planning.files import (
    AgentEntry,
    AgentFile,
    ExperimentFile,
    SuiteFile,
    Tuning,
    check_patterns,
    config_folders,
    data_name,
    find,
    given,
    read_config,
    tuning_of,
)


@dataclass(frozen=True)
class Cell:
    """One agent on one environment: the configuration, and the tasks it is compared on.

    ``tuning`` is how its settings were found, None where that is not told; ``changed`` are keys
    that it does not speak of, as the experiment gives them other values and says nothing of these.
    """

    label: str
    agent: type[Agent]
    environment: EnvSpec
    tasks: tuple[int, ...]
    resolved: Resolved
    tuning: Tuning | None = None
    changed: frozenset[str] = frozenset()


class Experiment:
    """An experiment and everything its file refers to."""

    def __init__(self, name: str) -> None:
        self.name, self.path = name, find("experiments", name)
        self.file: ExperimentFile = read_config(self.path, ExperimentFile)
        self.unavailable: dict[str, str] = {}

    @cached_property
    def cells(self) -> list[Cell]:
        """Every agent on every environment whose data can be had."""
        refuse_strays()
        self._check_names()
        self._check_shared()
        cells = []
        for suite_name, chosen in self.file.suites.items():
            path = find("suites", suite_name, file=self.path, key=f"suites.{suite_name}")
            suite: SuiteFile = read_config(path, SuiteFile)
            for name, tasks in chosen.items():
                if name in suite.unavailable and not self._have(suite, name, path):
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
                    self._cell(label, entry, suite_name, path, suite, spec, numbers)
                    for label, entry in self._entries.items()
                    if entry.suites is None or suite_name in entry.suites
                ]
        refuse_idle(cell.resolved for cell in cells)
        for label, entry in self._entries.items():
            played = sorted({c.environment.dataset for c in cells if c.label == label})
            check_patterns(entry.tuning, played, self.path, f"agents.{label}.tuning")
        return cells

    @staticmethod
    def _have(suite: SuiteFile, name: str, path: Path) -> bool:
        """Whether a file says where data are that cannot be had otherwise.

        The suite's file is ``path``.
        """
        line = suite.environments.get(name)
        if line is None:
            return False
        shards = suite.data(name, path).shards
        return given("datasets", data_name(line["dataset"], shards)) is not None

    @cached_property
    def _entries(self) -> dict[str, AgentEntry]:
        """What the file says of each agent."""
        return {label: entry or AgentEntry() for label, entry in self.file.agents.items()}

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
        file = self._files[agent]
        here = [
            self._layer("", self.file.set, shared=True),
            self._layer(
                f"suite_set.{suite_name}", self.file.suite_set.get(suite_name), shared=True
            ),
            self._layer(f"agents.{label}", entry.set),
            self._layer(
                f"agents.{label}.suites.{suite_name}", (entry.suites or {}).get(suite_name)
            ),
        ]
        below = layers(agent, file, self._base, suite_path, suite, spec.name)
        resolved = resolve_settings([*below, *here], agent, self._configs)
        self._check_spans(resolved)
        told = tuning_of(entry.tuning, spec.dataset, self.path, f"agents.{label}.tuning")
        if told is not None:
            return Cell(label, agent, spec, tasks, resolved, told)
        agent_path = find("agents", agent.name)
        tuning = tuning_of(file.tuning, spec.dataset, agent_path, "tuning")
        changed = (resolved.changed.get(layer.name, ()) for layer in here)
        return Cell(label, agent, spec, tasks, resolved, tuning, frozenset().union(*changed))

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
    def _agents(self) -> list[type[Agent]]:
        """The agents that are compared."""
        return [
            agent_class(entry.agent or label, file=self.path, key=f"agents.{label}")
            for label, entry in self._entries.items()
        ]

    @cached_property
    def _configs(self) -> list[type[AgentConfig]]:
        """Configurations of all agents that are compared."""
        return [agent.Config for agent in self._agents]

    @cached_property
    def _files(self) -> dict[type[Agent], AgentFile]:
        """What the files of the agents say."""
        return {agent: read_agent(agent) for agent in self._agents}

    @cached_property
    def _base(self) -> Layer:
        return base_layer()

    def _layer(self, part: str, values: Mapping[str, Any] | None, *, shared: bool = False) -> Layer:
        """Layer of a part of this file; of a ``shared`` one each agent takes the keys it has.

        A comparison may name a value that is the default: it says what is compared.
        """
        return Layer.of(f"{self.path} ({part})" if part else str(self.path), values, shared=shared)

    @cached_property
    def paper(self) -> Path | None:
        """File of the paper's numbers that stand beside these, if any."""
        name = self.file.paper
        return find("paper", name, file=self.path, key="paper") if name else None

    def _check_shared(self) -> None:
        """Refuse a key for all that only agents have which do not take part."""
        here = {key for config in self._configs for key in sections(config)}
        for key, _ in flatten(self.file.set, self.path):
            if key not in here:
                known = [n for n, agent in registry().items() if key in sections(agent.Config)]
                if known:
                    raise ConfigError(
                        "no agent of this experiment has this key",
                        file=self.path,
                        key=key,
                        remedy=f"remove it: it is one of {', '.join(known)}",
                    )

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
        named = [("suite_set", name) for name in file.suite_set]
        named += [
            (f"agents.{k}.suites", name)
            for k, e in self._entries.items()
            for name in e.suites or ()
        ]
        for key, name in named:
            if name not in file.suites:
                raise ConfigError(
                    "no suite of this experiment",
                    file=self.path,
                    key=f"{key}.{name}",
                    expected=", ".join(file.suites),
                )


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
