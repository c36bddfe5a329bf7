"""Cases of the original implementation: which agent each tests, and how to read its arrays."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path

import numpy as np
import torch

from mac.agents.base import Agent, agent_class, registry
from mac.nets.mlp import Init
from mac.types import Batch, Spaces

from .families import families

# what a file's name begins with -> agent; families/ says how its cases are compared
AGENTS = {
    "mac": "mac",
    "mbrs_ac": "mac_gau",
    "mbfql": "mac_fql",
    "model_ac": "model_error",
    "sharsa": "sharsa",
    "gciql": "gciql",
    "ngcsacbc": "ngcsac_bc",
    "mopo": "mopo",
    "mobile": "mobile",
    "leq": "leq",
    "fmpc": "fmpc",
    "fql": "fql",
    "iql": "iql",
    "rebrac": "rebrac",
    "ifql": "ifql",
}


class Case:
    """One file: arrays, options, and the agent built from them.

    Tensors are on ``device``; those of floating point are of ``dtype``.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self.path, self.device, self.dtype = path, device, torch.float32
        with np.load(path, allow_pickle=False) as archive:
            self.arrays = {name: archive[name] for name in archive.files}
        self.original = json.loads(str(self.arrays.pop("config")))
        self.agent_name = agent_name(path)
        self.family = families()[self.agent_name]
        if keys := self.family.unread(self.original):
            warnings.warn(f"{path.name}: unknown options {', '.join(keys)}", stacklevel=2)

    def to(self, dtype: torch.dtype) -> Case:
        """The same case in another floating-point type."""
        case = copy.copy(self)
        case.dtype = dtype
        return case

    def build(self) -> Agent:
        """The agent with the file's parameters."""
        shapes = self.original["_shapes"]
        spaces = Spaces(shapes["ob_dim"], shapes["goal_dim"] or 0, shapes["action_dim"])
        config = self.family.config(self.agent_name, self.original)
        agent = agent_class(self.agent_name)(config, spaces, Init(0))
        for part in agent.parts.values():
            part.to(self.device, self.dtype)
        self.load(agent, "params")
        self.family.prepare(self, agent)
        return agent

    def parameters(self, agent: Agent, group: str) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """Pairs of array name and our parameter, for the arrays under ``group``."""
        for name in self.arrays:
            if name.startswith(f"{group}/"):
                yield name, self.family.parameter(agent, name.removeprefix(f"{group}/"))

    def array(self, name: str) -> np.ndarray:
        """The stored array, kernels transposed to (..., out, in)."""
        array = self.arrays[name]
        return array.swapaxes(-1, -2) if name.endswith("/kernel") else array

    def load(self, agent: Agent, group: str) -> None:
        """Sets the agent's parameters to those stored under ``group``."""
        with torch.no_grad():
            for name, parameter in self.parameters(agent, group):
                stored = self.tensor(self.array(name))
                assert parameter.shape == stored.shape, (name, parameter.shape, stored.shape)
                parameter.copy_(stored)

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        """An array as a tensor; integers, which choose or count, become int64."""
        dtype = self.dtype if np.issubdtype(array.dtype, np.floating) else torch.int64
        return torch.from_numpy(np.array(array, order="C")).to(self.device, dtype)

    def group(self, name: str) -> dict[str, torch.Tensor]:
        """All arrays under ``name``, by what follows it."""
        found = {n.removeprefix(f"{name}/"): n for n in self.arrays if n.startswith(f"{name}/")}
        return {short: self.tensor(self.arrays[full]) for short, full in found.items()}

    def draw(self, meaning: str, axes: int) -> torch.Tensor:
        """A random draw by its meaning, without its index and leading axes beyond ``axes``.

        ``*`` in the meaning stands for 0, 1, ...: these draws are stacked on a new first axis.
        """
        stored = {n.split("_", 1)[1]: n for n in self.arrays if n.startswith("noise/")}
        steps = (meaning.replace("*", str(k)) for k in count()) if "*" in meaning else (meaning,)
        arrays = [self.arrays[stored[name]] for name in takewhile(stored.__contains__, steps)]
        assert arrays, f"{self.path.name} has no draw {meaning}, but {', '.join(stored)}"
        arrays = [array.reshape(array.shape[-axes:]) for array in arrays]
        return self.tensor(np.stack(arrays) if "*" in meaning else arrays[0])

    def tests(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Observations and goals of the acting tests, the goals of width zero where there are none.

        Their noise has meanings that begin with ``test_``.
        """
        inputs = self.group("test")
        return inputs["observations"], inputs.get("goals", inputs["observations"][:, :0])

    def batch(self) -> Batch:
        """The training batch."""
        return self.family.batch(self)

    def noise(self) -> dict[str, torch.Tensor]:
        """Training noise by our names."""
        return self.family.noise(self)

    def groups(self, kind: str) -> set[str]:
        """Names of the file's groups that begin with ``kind``."""
        return {name.partition("/")[0] for name in self.arrays if name.startswith(kind)}


def agent_name(path: Path) -> str | None:
    """Agent that a case file tests: the longest name in the table with which its name begins."""
    matches = [name for name in AGENTS if f"{path.stem}_".startswith(f"{name}_")]
    return AGENTS[max(matches, key=len)] if matches else None


def missing(path: Path) -> str | None:
    """Why a case file cannot be run at all, in one line; None where its agent exists here."""
    name = agent_name(path)
    if name is None:
        return f"{path.name}: begins with no agent's name ({', '.join(AGENTS)})"
    return None if name in registry() else f"{path.name}: agent {name} does not exist yet"
