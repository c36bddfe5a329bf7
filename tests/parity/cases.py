"""Cases of the original implementation: which agent each tests, how its arrays map to ours."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from mac.agents.base import Agent, agent_class, registry
from mac.config.load import Layer, resolve
from mac.config.schema import ChunkedConfig
from mac.nets.mlp import Init
from mac.types import Batch, Spaces

# what a file's name begins with -> agent
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

# module of the original -> (part, module) of ours
MODULES = {
    "dynamics": ("model", "dynamics"),
    "success": ("heads", "success"),
    "reward": ("heads", "reward"),
    "value": ("value", "values.value"),
    "target_value": ("value", "values.target_value"),
    "critic": ("value", "values.critic"),
    "actor": ("behaviour", "actor"),
    "actor_flow": ("behaviour", "teacher.flow"),
    "actor_bc_flow": ("behaviour", "flow"),
    "actor_onestep_flow": ("behaviour", "student.onestep"),
}
MODULES_OF_AGENT = {"mac_fql": {"actor_onestep_flow": ("value", "actor.onestep")}}

_LEAF = {"kernel": "weight", "bias": "bias"}

# Keys of the original that change no number of a case: what the file's arrays already show, data
# handling (``test_datasets.py``), initialisation, and what the original itself never reads.
IDLE = {
    *("agent_name", "dataset_class", "action_dim", "ob_dim", "ob_dims", "param_attempt"),
    *(f"{who}_p_{kind}goal" for who in ("value", "actor") for kind in ("cur", "traj", "random")),
    *("value_geom_sample", "actor_geom_sample", "actor_fc_scale"),
    *("gc_actor", "onestep_actor", "sarsa_backup", "model_backup", "rollout_critic"),
    *("rollout_value", "adv_normalization", "ent_coef", "bc_loss"),
}
# The only value with which the original runs; the other one meets something it does not define.
ONLY = {
    "mac_gau": {"learn_success": True},
    "mac_fql": {"learn_success": True},
    "model_error": {"learn_success": False},
}


def parameter_name(path: str, depth: int) -> str:
    """Our name of a parameter like ``Dense_0/kernel`` in a network with ``depth`` hidden layers."""
    if path == "log_stds":
        return "log_std_bias"
    layer, leaf = path.split("/")
    if layer.startswith("LayerNorm_"):
        return f"trunk.{'scales' if leaf == 'scale' else 'shifts'}.{layer[10:]}"
    if layer in ("mean_net", "log_std_net"):
        return f"{layer.removesuffix('_net')}_{_LEAF[leaf]}"
    index = int(layer.removeprefix("Dense_"))
    if index == depth:
        return _LEAF[leaf]
    return f"trunk.{'weights' if leaf == 'kernel' else 'biases'}.{index}"


# key of the original -> keys of ours
HONOURED = {
    "action_chunking": ("chunk_length",),
    "action_chunking_test": ("evaluate.execute_length",),
    "actor_hidden_dims": ("behaviour.hidden_dims",),
    "alpha": ("distill_weight",),
    "batch_size": ("batch_size",),
    "discount": ("discount",),
    "dynamics_hidden_dims": ("model.hidden_dims", "heads.hidden_dims", "value.critic_hidden_dims"),
    "flow_steps": ("behaviour.flow_steps",),
    "gc_negative": ("goals.negative",),
    "lam": ("value.td_lambda",),
    "layer_norm": tuple(f"{s}.layer_norm" for s in ("model", "heads", "behaviour", "value")),
    "lr": ("optimiser.learning_rate",),
    "mean_tanh_squash": ("behaviour.squash_mean",),
    "num_samples_test": ("evaluate.num_candidates",),
    "num_samples_train": ("value.num_candidates",),
    "rollout_batch_size": ("value.rollout_batch_size",),
    "rollout_steps": ("value.rollout_length",),
    "state_dependent_std": ("behaviour.state_dependent_std",),
    "tanh_squash": ("behaviour.squash",),
    "target_network": ("value.target_network",),
    "tau": ("value.polyak_rate",),
    "value_hidden_dims": ("value.hidden_dims",),
    "value_loss": ("value.loss",),
}
POLICIES = {"mac": "distilled_flow", "mac_gau": "gaussian", "mac_fql": "flow"}


def refused(name: str, original: dict) -> str | None:
    """The option for which a case cannot be run, in one line; None where all can."""
    for key, value in ONLY.get(name, {}).items():
        if (found := original.get(key, value)) != value:
            return f"{key}: found {found}, with which the original stops; expected {value}"
    return None


def unread(name: str, original: dict) -> list[str]:
    """Options that mean nothing to us; whether they matter, the numbers show."""
    read = {*IDLE, *HONOURED, *ONLY.get(name, {})}
    return sorted(key for key in original if key not in read and not key.startswith("_"))


def config_of(name: str, original: dict) -> ChunkedConfig:
    """Our configuration of the original's hyper-parameters."""
    values = {ours: original[k] for k, keys in HONOURED.items() if k in original for ours in keys}
    if name == "mac_fql":
        values["value.critic_hidden_dims"] = original["value_hidden_dims"]
    if name != "mac":
        values["value.rollout_batch_size"] = None  # all of these ignore it and roll out the batch
    mode = "goal" if original["_mode"] == "gc" else "reward"
    values |= {"agent": name, "mode": mode, "schedule": "joint"}
    if name in POLICIES:
        values["behaviour.policy"] = POLICIES[name]
    return resolve([Layer.of("case", values)], agent_class(name).Config).config


@dataclass
class Case:
    """One file: arrays, the agent built from its configuration, and the mapping between them."""

    path: Path
    device: str = "cpu"
    arrays: dict[str, np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        with np.load(self.path, allow_pickle=False) as archive:
            self.arrays = {name: archive[name] for name in archive.files}
        self.original = json.loads(str(self.arrays.pop("config")))
        self.agent_name = agent_name(self.path)
        if keys := unread(self.agent_name, self.original):
            warnings.warn(f"{self.path.name}: unknown options {', '.join(keys)}", stacklevel=2)

    def build(self, dtype: torch.dtype = torch.float32) -> Agent:
        """The agent with the file's parameters."""
        shapes = self.original["_shapes"]
        spaces = Spaces(shapes["ob_dim"], self.goal_dim, shapes["action_dim"])
        config = config_of(self.agent_name, self.original)
        agent = agent_class(self.agent_name)(config, spaces, Init(0))
        for part in agent.parts.values():
            part.to(self.device, dtype)
        self.load(agent, "params")
        return agent

    @property
    def goal_dim(self) -> int:
        goals = self.arrays.get("batch/value_goals")
        return 0 if goals is None else goals.shape[-1]

    def parameters(self, agent: Agent, group: str):
        """Pairs of array name and our parameter, for the arrays under ``group``."""
        modules = {**MODULES, **MODULES_OF_AGENT.get(self.agent_name, {})}
        for name in self.arrays:
            if not name.startswith(f"{group}/"):
                continue
            module_name, rest = name.removeprefix(f"{group}/").split("/", 1)
            part, module = modules[module_name]
            network = agent.parts[part].get_submodule(module)
            depth = len(network.trunk.weights)
            yield name, network.get_parameter(parameter_name(rest, depth))

    def array(self, name: str) -> np.ndarray:
        """The stored array, kernels transposed to (out, in)."""
        array = self.arrays[name]
        return array.T if name.endswith("/kernel") else array

    def load(self, agent: Agent, group: str) -> None:
        """Sets the agent's parameters to those stored under ``group``."""
        with torch.no_grad():
            for name, parameter in self.parameters(agent, group):
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(self.array(name))))

    def batch(self, dtype: torch.dtype = torch.float32) -> Batch:
        """The training batch."""
        data = {name[6:]: array for name, array in self.arrays.items() if name.startswith("batch/")}
        rows, n = len(data["observations"]), self.original["action_chunking"]
        data["actions"] = data["actions"].reshape(rows, n, -1)
        for goals in ("value_goals", "actor_goals"):
            data.setdefault(goals, np.zeros((rows, 0), np.float32))
        return Batch(**data).map(lambda array: torch.from_numpy(array).to(self.device, dtype))

    def noise(self, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
        """Training noise by our names; the draws of the rollout's steps stacked."""
        named = {
            re.sub(r"^\d+_", "", n[6:]): a for n, a in self.arrays.items() if n.startswith("noise/")
        }
        steps = sorted(
            (n for n in named if re.fullmatch(r"rollout_h\d+_(z|eps)", n)),
            key=lambda n: int(re.search(r"\d+", n)[0]),
        )
        noise = {n: named[n] for n in ("flow_x0", "flow_t", "distill_z") if n in named}
        if steps:
            stacked = np.stack([named[n].reshape(named[n].shape[-3:]) for n in steps])
            noise["rollout_z"] = stacked
        return {n: torch.from_numpy(a).to(self.device, dtype) for n, a in noise.items()}

    def test_noise(self, kind: str, dtype: torch.dtype = torch.float32) -> torch.Tensor | None:
        """Noise of the acting test ``batch``, ``full`` or ``single`` with leading rows, or None."""
        for name, array in self.arrays.items():
            if re.fullmatch(rf"noise/\d+_test_{kind}_(z|eps)", name):
                if kind == "single":
                    array = array.reshape(array.shape[-2:] if self.candidates else array.shape[-1:])
                    return torch.from_numpy(array).to(self.device, dtype)[None]
                array = array.reshape(array.shape[-3:] if self.candidates else array.shape[-2:])
                array = np.swapaxes(array, 0, 1) if self.candidates else array
                return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, dtype)
        return None

    @property
    def candidates(self) -> bool:
        return self.agent_name in ("mac", "mac_gau")


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
