"""What an agent declares (read when planning, without torch) and what it builds (when training)."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mac.errors import ConfigError, MacError
from mac.types import Spaces

if TYPE_CHECKING:
    import torch

    from mac.components.part import Part
    from mac.config.schema import AgentConfig
    from mac.nets.mlp import Init

_NOT_AGENTS = {"base", "stages"}


@dataclass(frozen=True)
class Stage:
    """A unit of training with its own artefact.

    Attributes:
        name: the stage's name; rule and verb are ``train_<name>``.
        revision: raised whenever the stage's numbers change, so that old artefacts no longer count.
        reads: dotted keys, or whole sections, of the configuration that the stage depends on.
        variants: keys of options that enter the fingerprint only where they differ from their
            defaults, so that a new option does not make work that is done count as undone; they may
            lie in a section that the stage reads.
        needs: stages whose result this one uses.
        scope: ``dataset`` where one artefact serves every task of a dataset, ``task`` where the
            reward matters.
        section: section of the configuration with the stage's steps, batch size and optimiser; the
            top level where it is empty.
    """

    name: str
    revision: int
    reads: tuple[str, ...]
    variants: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    scope: str = "dataset"
    section: str = ""


@dataclass
class Agent:
    """Base of all agents: parts by stage, and how they act.

    ``build`` makes the learnable parts. The class attributes are what planning reads: the modes the
    agent can be used in, its training stages, the stages whose checkpoints ``act`` needs, the keys
    beyond ``evaluate`` that ``act`` reads, and whether it is evaluated by ``episodes`` or by
    ``model_error``.
    """

    name: ClassVar[str] = ""
    Config: ClassVar[type[AgentConfig]]
    modes: ClassVar[tuple[str, ...]] = ("reward", "goal")
    stages: ClassVar[tuple[Stage, ...]] = ()
    acts_with: ClassVar[tuple[str, ...]] = ()
    act_reads: ClassVar[tuple[str, ...]] = ()
    evaluator: ClassVar[str] = "episodes"

    config: Any
    spaces: Spaces
    init: Init
    parts: Mapping[str, Part] = field(init=False)

    def __post_init__(self) -> None:
        self.parts = self.build()

    @classmethod
    def joint_stage(cls) -> Stage:
        """Stage that trains all parts together, every loss each step (the original's schedule)."""
        reads = {key for stage in cls.stages for key in stage.reads}
        if "value" not in reads:
            reads.add("value.checkpoint_every")
        variants = sorted({key for stage in cls.stages for key in stage.variants})
        revision = sum(stage.revision for stage in cls.stages)
        return Stage(
            "joint",
            revision,
            ("steps", "batch_size", "optimiser", *sorted(reads)),
            tuple(variants),
            scope="task",
        )

    def build(self) -> Mapping[str, Part]:
        """Learnable parts by stage name, in the order of ``stages``."""
        raise NotImplementedError

    @property
    def act_noise(self) -> dict[str, tuple[int, ...]]:
        """Shapes per row of the standard normal noise that ``act`` uses."""
        return {}

    def act(
        self, observations: torch.Tensor, goals: torch.Tensor, noise: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Action chunks (B, n, A) in [-1, 1], given observations (B, O), goals (B, G) and noise.

        Every noise tensor has leading dimension B.
        """
        raise NotImplementedError

    def value(self, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor | None:
        """Predicted values (B,) of the acting policy; None where an agent has no value function."""
        return None


_REGISTRY: dict[str, type[Agent]] = {}


def register(name: str) -> Callable[[type[Agent]], type[Agent]]:
    """Class decorator that makes an agent known under ``name``."""

    def add(agent: type[Agent]) -> type[Agent]:
        agent.name = name
        _REGISTRY[name] = agent
        return agent

    return add


@cache
def _discover(extra: str) -> None:
    import mac.agents

    for module in pkgutil.iter_modules(mac.agents.__path__):
        if module.name not in _NOT_AGENTS:
            importlib.import_module(f"mac.agents.{module.name}")
    for folder in filter(None, extra.split(os.pathsep)):
        if not Path(folder).is_dir():
            raise ConfigError("no such folder", key="MAC_AGENT_PATH", found=folder)
        for path in sorted(Path(folder).glob("*.py")):
            _import(path)


def _import(path: Path) -> None:
    """Run a file of ``MAC_AGENT_PATH``, whose code is the user's and may be wrong in any way."""
    name = f"mac_agent_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except MacError:
        raise
    except Exception as error:
        reason = f"cannot be imported ({type(error).__name__}: {error})"
        raise ConfigError(reason, file=path, key="MAC_AGENT_PATH") from error


def registry() -> Mapping[str, type[Agent]]:
    """Agent classes by name: files beside this one and in the folders of ``MAC_AGENT_PATH``."""
    _discover(os.environ.get("MAC_AGENT_PATH", ""))
    return dict(sorted(_REGISTRY.items()))


def agent_class(name: str) -> type[Agent]:
    """Class registered as ``name``."""
    known = registry()
    if name not in known:
        raise ConfigError("unknown agent", key="agent", found=name, expected=", ".join(known))
    return known[name]
