"""What a family of agents declares so that its cases can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from mac.agents.base import Agent, agent_class
from mac.config.load import Layer, resolve
from mac.config.schema import AgentConfig
from mac.training.update import Update
from mac.types import Batch

if TYPE_CHECKING:
    from ..cases import Case

Tensors = dict[str, torch.Tensor]

# Options of the original that change no number of any case: what the file's arrays already show,
# data handling (``test_datasets.py``) and initialisation.
IDLE = {
    *("agent_name", "dataset_class", "action_dim", "ob_dim", "ob_dims", "param_attempt"),
    *(f"{who}_p_{kind}goal" for who in ("value", "actor") for kind in ("cur", "traj", "random")),
    *("value_geom_sample", "actor_geom_sample", "actor_fc_scale"),
}

_LEAF = {"kernel": "weight", "bias": "bias"}


def parameter_name(path: str, depth: int) -> str:
    """Our name of a parameter like ``Dense_0/kernel`` in a network with ``depth`` hidden layers."""
    layer, _, leaf = path.partition("/")
    if not leaf:
        return {"log_stds": "log_std_bias"}.get(path, path)
    if layer.startswith("LayerNorm_"):
        return f"trunk.{'scales' if leaf == 'scale' else 'shifts'}.{layer[10:]}"
    if layer in ("mean_net", "log_std_net"):
        return f"{layer.removesuffix('_net')}_{_LEAF[leaf]}"
    index = int(layer.removeprefix("Dense_"))
    if index == depth:
        return _LEAF[leaf]
    return f"trunk.{'weights' if leaf == 'kernel' else 'biases'}.{index}"


class Family:
    """Tables and hooks of a family; every one may be overridden.

    Attributes:
        modules: module of the original -> part and submodule of ours.
        leaves: parameter of the original within its module, like ``mean_net/kernel`` -> ours, where
            ``parameter_name`` does not know it.
        options: option of the original -> keys of ours that take its value.
        fixed: values of our keys whatever the options say.
        idle: options that change no number, beside ``IDLE``.
        only: option -> the only value with which the original runs.
        batch_type: what a batch is.
        fields: key under ``batch/`` -> field of ours, where the names differ; None where unused.
        draws: our noise -> meaning of the original's and number of axes (see ``Case.draw``).
        names: our loss or metric -> the original's, where the names differ.
        cancelling: quantity that is a sum of terms of both signs -> key of ``forward`` under which
            the sum of the terms' sizes is: what float32 loses is a share of these, not of the sum.
        decoded: quantities that a file may hold as logits or as what they mean, where values are
            logits; README.md of the cases leaves it open.
        gradients: groups of gradients -> modules that have none, beside the targets.
        steps: numbers of updates after which the files hold the parameters.
    """

    modules: Mapping[str, tuple[str, str]] = {}
    leaves: Mapping[str, str] = {}
    options: Mapping[str, tuple[str, ...]] = {}
    fixed: Mapping[str, Any] = {}
    idle: frozenset[str] = frozenset()
    only: Mapping[str, Any] = {}
    batch_type: type[Batch] = Batch
    fields: Mapping[str, str | None] = {}
    draws: Mapping[str, tuple[str, int]] = {}
    names: Mapping[str, str] = {}
    cancelling: Mapping[str, str] = {}
    decoded: tuple[str, ...] = ()
    gradients: Mapping[str, tuple[str, ...]] = {"grad": ()}
    steps: tuple[int, ...] = (1, 3)

    def refused(self, original: Mapping[str, Any]) -> str | None:
        """The option for which a case cannot be run, in one line; None where all can."""
        for key, value in self.only.items():
            if (found := original.get(key, value)) != value:
                return f"{key}: found {found}, with which the original stops; expected {value}"
        return None

    def unread(self, original: Mapping[str, Any]) -> list[str]:
        """Options that mean nothing to us; whether they matter, the numbers show."""
        read = {*IDLE, *self.idle, *self.options, *self.only}
        return sorted(key for key in original if key not in read and not key.startswith("_"))

    def settings(self, original: Mapping[str, Any]) -> dict[str, Any]:
        """Values of our keys."""
        given = ((original[key], ours) for key, ours in self.options.items() if key in original)
        return {key: value for value, ours in given for key in ours} | dict(self.fixed)

    def config(self, agent: str, original: Mapping[str, Any]) -> AgentConfig:
        """Our configuration of the original's hyper-parameters."""
        mode = "goal" if original.get("_mode") == "gc" else "reward"
        values = {**self.settings(original), "agent": agent, "mode": mode, "schedule": "joint"}
        return resolve([Layer.of("case", values)], agent_class(agent).Config).config

    def parameter(self, agent: Agent, path: str) -> torch.nn.Parameter:
        """Our parameter of one like ``critic/Dense_0/kernel``."""
        module, leaf = path.split("/", 1)
        part, submodule = self.modules[module]
        network = agent.parts[part].get_submodule(submodule)
        depth = len(network.trunk.weights) if hasattr(network, "trunk") else 0
        return network.get_parameter(self.leaves.get(leaf) or parameter_name(leaf, depth))

    def chunk_length(self, original: Mapping[str, Any]) -> int:
        """Actions in a row of the batch."""
        return original.get("action_chunking", 1)

    def arrays(self, case: Case, group: str) -> Tensors:
        """The arrays under ``group`` by our names."""
        data = {self.fields.get(key, key): array for key, array in case.group(group).items()}
        data.pop(None, None)
        return data

    def batch(self, case: Case, group: str = "batch", **more: torch.Tensor) -> Batch:
        """The rows under ``group`` as we take them, and more; absent goals have width zero."""
        data = self.arrays(case, group) | more
        length = self.chunk_length(case.original)
        data["actions"] = data["actions"].unflatten(-1, (length, -1))
        for goals in ("value_goals", "actor_goals"):
            data.setdefault(goals, data["observations"][:, :0])
        return self.batch_type(**data)

    def noise(self, case: Case) -> Tensors:
        """Training noise by our names."""
        return {ours: case.draw(*theirs) for ours, theirs in self.draws.items()}

    def prepare(self, case: Case, agent: Agent) -> None:
        """Gives the agent what else the file holds, once its parameters are loaded."""

    def losses(self, agent: Agent, batch: Batch, noise: Tensors) -> Tensors:
        """All losses and metrics by the original's names, and ``total_loss``, the losses' sum."""
        losses = [loss for part in agent.parts.values() for loss in part.losses(batch, noise)]
        found: Tensors = {}
        for loss in losses:
            found |= {loss.name: loss.value, **loss.metrics}
        out = {self.names.get(name, name): value for name, value in found.items()}
        return out | {"total_loss": sum(loss.value for loss in losses)}

    def forward(self, case: Case, agent: Agent, batch: Batch, noise: Tensors) -> Tensors:
        """Every quantity of ``out/`` that training has, by the original's names."""
        return self.losses(agent, batch, noise)

    def acting(self, case: Case, agent: Agent) -> Tensors:
        """Every quantity of ``out/`` that comes of the acting tests (see ``Case.tests``)."""
        return {}

    def readings(self, case: Case, name: str, value: torch.Tensor) -> list[torch.Tensor]:
        """The forms in which a file may hold a quantity."""
        logits = case.original.get("value_loss") == "bce" and name in self.decoded
        return [value, torch.sigmoid(value)] if logits else [value]

    def differentiate(self, update: Update, batch: Batch, noise: Tensors, group: str) -> None:
        """Sets the gradients that ``group`` holds, before any update."""
        update.gradients(batch, noise)

    def advance(self, update: Update, batch: Batch, noise: Tensors, step: int) -> None:
        """Update number ``step``, counted from 1."""
        update(batch, noise)
