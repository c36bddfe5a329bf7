"""An agent's file: all that it says is checked when it is read, of whatever data set or mode."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mac.agents.base import Agent, registry
from mac.config.load import Layer, Resolved, patterns, refuse_idle, resolve, sections
from mac.config.schema import AgentConfig
from mac.errors import ConfigError
from mac.planning.files import (
    AgentFile,
    SuiteFile,
    check_patterns,
    config_folders,
    datasets,
    find,
    find_base,
    given,
    read_base,
    read_config,
    suites,
)

_FIXED = {
    "agent": "write it as `agents: {LABEL: {agent: NAME}}`",
    "mode": "choose a suite of that mode under `suites`",
}


def base_layer() -> Layer:
    """Values of every agent."""
    return Layer.of(str(find_base()), read_base(), shared=True)


def layers(
    agent: type[Agent], file: AgentFile, base: Layer, path: Path, suite: SuiteFile, name: str
) -> list[Layer]:
    """All that lies below an experiment's own values, the strongest last.

    Args:
        agent: the agent.
        file: what its file says.
        base: values of every agent.
        path: the suite's file.
        suite: what it says.
        name: one of its environments.
    """
    line = suite.environments[name]
    own = Layer.of(f"{path} ({name})", line.get("set"), must_change=True, shared=True)
    return [
        Layer.of("built in", {"agent": agent.name, "mode": suite.mode}),
        base,
        Layer.of(str(path), suite.set, shared=True),
        own,
        *file.layers(find("agents", agent.name), suite.mode, str(line.get("dataset", ""))),
    ]


def resolve_settings(
    merged: Sequence[Layer], agent: type[Agent], others: Iterable[type[AgentConfig]]
) -> Resolved:
    """Merge layers as :func:`mac.config.load.resolve` does, none of which sets agent or mode."""
    resolved = resolve(merged, agent.Config, others)
    for key, remedy in _FIXED.items():
        if resolved.origins[key] != merged[0].name:
            raise ConfigError("not a setting", file=resolved.origins[key], key=key, remedy=remedy)
    return resolved


def read_agent(agent: type[Agent]) -> AgentFile:
    """The agent's file.

    Raises:
        ConfigError: for an empty file, naming a mode that the agent does not know, a pattern that
            no environment of any suite in its modes matches, or that does as well as another, and a
            value, anywhere in the file, that its configuration refuses or that changes nothing in
            any suite.
    """
    path = find("agents", agent.name)
    if not path.read_bytes().strip():
        raise ConfigError(
            "is empty", file=path, remedy="an agent that changes nothing has `set: {}`"
        )
    file: AgentFile = read_config(path, AgentFile)
    for mode in file.modes:
        if mode not in agent.modes:
            raise ConfigError(
                f"agent {agent.name} does not know this mode",
                file=path,
                key=f"modes.{mode}",
                expected=", ".join(agent.modes),
            )
    known = datasets(agent.modes) if file.overrides or file.tuning else []
    for key in ("overrides", "tuning"):
        check_patterns(found := getattr(file, key), known, path, key)
        for dataset in known:
            patterns(found, dataset, str(path), key)
    others = [other.Config for other in registry().values()]
    refuse_idle([resolve_settings(own, agent, others) for own in _everywhere(agent, file, path)])
    return file


def _everywhere(agent: type[Agent], file: AgentFile, path: Path) -> Iterator[list[Layer]]:
    """Layers of each mode alone, and of all environments of which the file says different things.

    What the file says must change something, what others say need not.
    """
    base = base_layer()
    merged = [
        [
            Layer.of("built in", {"agent": agent.name, "mode": mode}),
            base,
            *file.layers(path, mode),
        ]
        for mode in agent.modes
    ]
    for suite_path, suite in suites(agent.modes):
        found: dict[Any, list[Layer]] = {}
        for name, line in suite.environments.items():
            own = layers(agent, file, base, suite_path, suite, name)
            found[repr(line.get("set")), *(layer.name for layer in own if not layer.shared)] = own
        merged += found.values()
    for own in merged:
        own[1:] = (replace(layer, must_change=not layer.shared) for layer in own[1:])
        yield own


def refuse_strays() -> None:
    """Refuse files among those of agents that belong to none: nothing would ever read them."""
    known = registry()
    for path in (p for f in config_folders() for p in sorted((f / "agents").glob("*.yaml"))):
        if path.stem not in known:
            close = difflib.get_close_matches(path.stem, known, n=1)
            raise ConfigError(
                "belongs to no agent",
                file=path,
                expected=f"{close[0]}.yaml" if close else f"one of {', '.join(known)}",
                remedy="rename it, or name the folder of its agent in MAC_AGENT_PATH",
            )


def said_of(agent: type[Agent], key: str | None = None) -> dict[str, dict[str, Any]]:
    """What files say of an agent's values, or of what lies under ``key``; the strongest last.

    By file, and by its part for one mode or for some data sets. An agent may have no file yet.
    """
    said = [base_layer()]
    if (path := given("agents", agent.name)) is not None:
        file = read_agent(agent)
        said += [layer for mode in agent.modes for layer in file.layers(path, mode)]
        said += [Layer.of(f"{path} ({p})", values) for p, values in file.overrides.items()]
    known = sections(agent.Config)
    found: dict[str, dict[str, Any]] = {}
    for layer in said:
        values = layer.values.items()
        own = {k: v for k, v in values if k in known and f"{k}.".startswith(f"{key or k}.")}
        if own:
            found[layer.name] = own
    return found
