"""What an agent declares (read when planning, without torch) and what it builds (when training)."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, ClassVar

from mac.agents.declared import check
from mac.errors import ConfigError, MacError
from mac.io import sha256_file
from mac.types import Spaces

if TYPE_CHECKING:
    import torch

    from mac.components.part import Part
    from mac.components.select import BestOf
    from mac.config.schema import AgentConfig
    from mac.nets.mlp import Init

_NOT_AGENTS = {"base", "declared", "stages"}


@dataclass(frozen=True)
class Stage:
    """A unit of training with its own artefact.

    Attributes:
        name: the stage's name; rule and verb are ``train_<name>``.
        revision: raised whenever the stage's numbers change, so that old artefacts no longer count.
        reads: dotted keys, or whole sections, of the configuration that the stage depends on.
        reads_in: further such keys by mode, read in that mode alone.
        make: function of (spaces, config, init) that makes the part, for a stage that agents share.
            Without one the part is the agent's own affair, in ``build``, and no other agent shares
            it: which code makes a part is what a fingerprint could not see otherwise.
        variants: keys of options that enter the fingerprint only where they differ from their
            defaults, so that a new option does not make work that is done count as undone; they may
            lie in a section that the stage reads.
        needs: stages whose result this one uses.
        scope: ``dataset`` where one artefact serves every task of a dataset, ``task`` where the
            reward matters.
        view: name of the view of the data that it trains on (:mod:`mac.data.views`).
        section: section of the configuration with the stage's steps, batch size and optimiser; the
            top level where it is empty.
        checkpoints: key of the number of updates between checkpoints that are evaluated; without
            one, or where it is None, there is the last one only.
        networks: what costs are estimated from where the stage is an agent's own: number of
            networks, and of passes of a batch's rows through one of them, by section of the
            configuration; a pass backward counts two. None for the stages that agents share,
            which planning knows by name.
        products: the same of an agent's networks that are no perceptrons: from its configuration,
            as plain values, and widths, the products (m, k, n) of a pass of one row of a batch.
        parts: the stages that this one trains together, where it is not one by itself.
    """

    name: str
    revision: int
    reads: tuple[str, ...]
    reads_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    make: Callable[[Spaces, Any, Init], Part] | None = None
    variants: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    scope: str = "dataset"
    view: str = "chunks"
    section: str = ""
    checkpoints: str = ""
    networks: Mapping[str, tuple[int, int]] | None = None
    products: Callable[[Mapping[str, Any], Spaces], Iterable[tuple[int, int, int]]] | None = None
    parts: tuple[Stage, ...] = ()

    def keys(self, mode: str) -> tuple[str, ...]:
        """Keys that the stage reads in a mode, apart from its variants."""
        return (*self.reads, *self.reads_in.get(mode, ()))

    @property
    def members(self) -> tuple[Stage, ...]:
        """The stages whose parts are trained: those of ``parts``, or this one."""
        return self.parts or (self,)

    @property
    def maker(self) -> str | None:
        """Name of ``make``, by which fingerprints know it."""
        return self.make and f"{self.make.__module__}.{self.make.__qualname__}"

    def identity(self, agent: str) -> list[tuple[str, str, int]]:
        """Name, maker (or else the agent) and revision of each part: the code behind the result."""
        return [(part.name, part.maker or agent, part.revision) for part in self.members]


@dataclass
class Agent:
    """Base of all agents: parts by stage, and how they act.

    The class attributes are what planning reads: the modes the agent can be used in, its training
    stages, the stages whose checkpoints ``act`` needs, the keys that ``act`` reads beyond those of
    every evaluation, and whether it is evaluated by ``episodes`` or by ``model_error``. ``parts``
    holds the learnable parts by stage name, in the order of ``stages``.
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
        shared = (stage for stage in self.stages if stage.make)
        self.parts = {s.name: s.make(self.spaces, self.config, self.init) for s in shared}
        made, names = {**self.parts, **self.build()}, [stage.name for stage in self.stages]
        if set(made) != set(names):
            raise ConfigError(
                f"agent {self.name} must build the parts of its stages, no others",
                key="build",
                found=", ".join(sorted(made)),
                expected=", ".join(sorted(names)),
            )
        self.parts = {name: made[name] for name in names}

    @classmethod
    def code(cls) -> str | None:
        """Hash of the file of an agent outside this package, whose revision nobody looks after."""
        if cls.__module__.startswith("mac."):
            return None
        return sha256_file(sys.modules[cls.__module__].__file__)[:12]

    @classmethod
    def joint_stage(cls) -> Stage:
        """Stage that trains all parts together, every loss each step (the original's schedule)."""

        def union(*keys: Iterable[str]) -> tuple[str, ...]:
            return tuple(sorted({key for some in keys for key in some}))

        return Stage(
            "joint",
            1,
            (
                *("steps", "batch_size", "optimiser", "value.checkpoint_every"),
                *union(*(stage.reads for stage in cls.stages)),
            ),
            {mode: union(*(s.reads_in.get(mode, ()) for s in cls.stages)) for mode in cls.modes},
            variants=union(*(stage.variants for stage in cls.stages)),
            scope="task" if any(stage.scope == "task" for stage in cls.stages) else "dataset",
            view=cls.stages[0].view,
            checkpoints=next((s.checkpoints for s in cls.stages if s.checkpoints), ""),
            parts=cls.stages,
        )

    def build(self) -> Mapping[str, Part]:
        """Parts of the stages without a ``make``, by name; ``parts`` holds the others by then."""
        return {}

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

    @property
    def rejection(self) -> BestOf | None:
        """The rejection sampler that ``act`` is, from ``noise["z"]`` (B, N, n A); None without one.

        What it does is diagnosed with the rollouts of the part ``value``, which such an agent has.
        """
        return None

    def value(self, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor | None:
        """Predicted values (B,) of the acting policy; None where an agent has no value function."""
        return None


_REGISTRY: dict[str, type[Agent]] = {}


def register(name: str) -> Callable[[type[Agent]], type[Agent]]:
    """Class decorator that makes an agent known under ``name``."""

    def add(agent: type[Agent]) -> type[Agent]:
        check(agent, Agent)
        other = _REGISTRY.get(name, agent)
        if (other.__module__, other.__qualname__) != (agent.__module__, agent.__qualname__):
            raise ConfigError(
                "two agents of one name",
                file=sys.modules[agent.__module__].__file__,
                key=name,
                found=sys.modules[other.__module__].__file__,
                remedy="give one of them another name: results are filed under it",
            )
        agent.name = name
        _REGISTRY[name] = agent
        return agent

    return add


@cache
def _discover(extra: str) -> None:
    import mac.agents

    for module in pkgutil.iter_modules(mac.agents.__path__):
        if module.name not in _NOT_AGENTS:
            with _in_one_line(Path(module.module_finder.path) / f"{module.name}.py"):
                importlib.import_module(f"mac.agents.{module.name}")
    for folder in filter(None, extra.split(os.pathsep)):
        if not Path(folder).is_dir():
            raise ConfigError("no such folder", key="MAC_AGENT_PATH", found=folder)
        for path in sorted(Path(folder).glob("[!_]*.py")):
            _import(path)


@contextmanager
def _in_one_line(path: Path, key: str | None = None) -> Iterator[None]:
    """Tell of an agent's file that cannot be run; its code may be wrong in any way."""
    try:
        yield
    except MacError:
        raise
    except Exception as error:
        lines = [f.lineno for f in extract_tb(error.__traceback__) if f.filename == str(path)]
        told, *_ = f"{type(error).__name__}: {error}".splitlines()
        told += f", line {lines[-1]}" if lines else ""
        raise ConfigError(f"cannot be imported ({told})", file=path, key=key) from error


def _import(path: Path) -> None:
    """Run a file of ``MAC_AGENT_PATH``, which must register an agent."""
    name = f"mac_agent_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    before = dict(_REGISTRY)
    with _in_one_line(path, "MAC_AGENT_PATH"):
        spec.loader.exec_module(module)
    if before == _REGISTRY:  # else its YAML would be told that there is no such agent
        raise ConfigError(
            "registers no agent",
            file=path,
            key="MAC_AGENT_PATH",
            expected='`@register("NAME")` above a class of an agent',
            remedy="the name of a file that is none begins with _",
        )


def registry() -> Mapping[str, type[Agent]]:
    """Agent classes by name: files beside this one and in the folders of ``MAC_AGENT_PATH``."""
    _discover(os.environ.get("MAC_AGENT_PATH", ""))
    return dict(sorted(_REGISTRY.items()))


def agent_class(name: str, *, file: str | Path | None = None, key: str = "agent") -> type[Agent]:
    """Class registered as ``name``, which stands in ``file`` under ``key``."""
    known = registry()
    if name not in known:
        raise ConfigError(
            "unknown agent", file=file, key=key, found=name, expected=", ".join(known)
        )
    return known[name]
