"""From one line of a suite file to the simulator that runs it, imported only when used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mac.errors import ConfigError
from mac.io import check_name

SIMULATORS = ("ogbench", "toy")
MODES = ("reward", "goal")
_NUMBERS = {"tasks", "observation_dim", "action_dim", "goal_dim", "max_episode_steps"}


@dataclass(frozen=True)
class EnvSpec:
    """What the project must know of an environment before it is made: one line of a suite file.

    Attributes:
        name: the environment's name in configs and paths, for instance ``cube-single``.
        dataset: the dataset's name without version, for instance ``cube-single-play``.
        env_id: the simulator's own id, for instance ``cube-single-v0``.
        tasks: number of evaluation tasks; they are numbered from 1.
        observation_dim: O, width of the state vector.
        action_dim: A.
        goal_dim: G, width of the oracle goal representation.
        max_episode_steps: step limit of an evaluation episode.
        simulator: module of ``mac.envs`` that makes it.
        success_timing: whether success and reward describe the state before an action (``pre``) or
            after it (``post``); ``n/a`` where the suite does not say.
        file: the suite file, for messages; no fact of the environment.
    """

    name: str
    dataset: str
    env_id: str
    tasks: int
    observation_dim: int
    action_dim: int
    goal_dim: int
    max_episode_steps: int
    simulator: str = "ogbench"
    success_timing: str = "n/a"
    file: str | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for key, value in self.facts().items():
            kind = int if key in _NUMBERS else str
            if not isinstance(value, kind) or isinstance(value, bool):
                raise self.wrong("wrong type", key, repr(value), kind.__name__)
            if kind is int and value < (0 if key == "goal_dim" else 1):
                raise self.wrong("too small", key, value, ">= 1")
        for key in ("name", "dataset"):  # parts of paths
            place = f"environments.{self.name}.{key}"
            check_name(getattr(self, key), file=self.file, key=place)
        if self.simulator not in SIMULATORS:
            known = " or ".join(SIMULATORS)
            raise self.wrong("unknown simulator", "simulator", self.simulator, known)
        if self.success_timing not in ("pre", "post", "n/a"):
            raise self.wrong(
                "unknown timing", "success_timing", self.success_timing, "pre, post or n/a"
            )

    def wrong(self, message: str, key: str, found: Any, expected: Any) -> ConfigError:
        """The error that says which value of the suite's line is wrong."""
        place = f"environments.{self.name}.{key}"
        return ConfigError(message, file=self.file, key=place, found=found, expected=expected)

    @classmethod
    def from_line(
        cls, name: str, line: Mapping[str, Any], *, file: str | Path | None = None
    ) -> EnvSpec:
        """Spec from the mapping ``line`` that a suite file holds under ``name``."""
        known = {one.name: one for one in fields(cls) if one.name not in ("name", "file")}
        for key in line:
            if key not in known:
                raise ConfigError(
                    "unknown key",
                    file=file,
                    key=f"environments.{name}.{key}",
                    expected=", ".join(known),
                )
        for key, one in known.items():
            if one.default is MISSING and key not in line:
                raise ConfigError("missing key", file=file, key=f"environments.{name}.{key}")
        return cls(name=name, **line, file=None if file is None else str(file))

    def facts(self) -> dict[str, Any]:
        """All that is known of the environment, as plain values."""
        facts = asdict(self)
        del facts["file"]
        return facts

    def data_facts(self) -> dict[str, Any]:
        """What data depend on: not the facts of evaluation, so that both modes share a store."""
        facts = self.facts()
        del facts["max_episode_steps"], facts["success_timing"]
        return facts

    def check_task(self, task: int, *, file: str | Path | None = None, key: str = "task") -> None:
        """Raise unless ``task``, which stands in ``file`` under ``key``, is one of its tasks."""
        if not 1 <= task <= self.tasks:
            raise ConfigError(
                f"environment {self.name!r} has no such task",
                file=file,
                key=key,
                found=task,
                expected=f"1 to {self.tasks}",
            )


@dataclass(frozen=True)
class Transition:
    """What a simulator returns for one action.

    Attributes:
        observation: (O,) float32, after the action.
        reward: of the step.
        terminated: the episode ended by itself.
        truncated: the step limit was reached.
        success: the task's own flag, with the timing that the suite states.
    """

    observation: np.ndarray
    reward: float
    terminated: bool
    truncated: bool
    success: bool


class Simulation(Protocol):
    """One evaluation environment; an episode is a pure function of (seed, task, actions)."""

    def reset(self, seed: int, task: int) -> tuple[np.ndarray, np.ndarray]:
        """Start an episode; returns observation (O,) and goal (G,), G = 0 in reward mode."""

    def step(self, action: np.ndarray) -> Transition:
        """Apply one action (A,)."""

    def picture(self, size: int) -> np.ndarray:
        """The present state as (size, size, 3) uint8; :class:`DeviceError` where none is drawn."""

    def close(self) -> None:
        """Free the simulator."""


class Collector(Protocol):
    """Scripted data collection in one environment."""

    def episode(self, stream: np.random.Generator, length: int) -> dict[str, np.ndarray]:
        """One episode: arrays of ``length`` + 1 rows with the released files' keys."""


class Adapter(Protocol):
    """What a module of ``mac.envs`` offers for the environments of its simulator."""

    def make(self, spec: EnvSpec, mode: str) -> Simulation:
        """Evaluation environment."""

    def collector(self, spec: EnvSpec) -> Collector:
        """Scripted collector; raises :class:`ConfigError` where there is none."""

    def oracle_goals(
        self, spec: EnvSpec, qpos: np.ndarray, button_states: np.ndarray | None
    ) -> np.ndarray:
        """Goal representation (rows, G) of raw simulator states (rows, …)."""

    def task_rewards(
        self, spec: EnvSpec, task: int, qpos: np.ndarray, button_states: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rewards (rows,) and masks (rows,) of raw simulator states (rows, …) in a task."""

    def observation_names(self, spec: EnvSpec) -> list[str]:
        """What the O numbers of an observation are, in words."""

    def goal_names(self, spec: EnvSpec) -> list[str]:
        """What the G numbers of an oracle goal are, in words."""

    def versions(self) -> dict[str, str]:
        """Versions of the packages that decide what an episode looks like."""


def adapter(spec: EnvSpec) -> Adapter:
    """The module that runs ``spec``; importing it imports the simulator."""
    return import_module(f"mac.envs.{spec.simulator}")
