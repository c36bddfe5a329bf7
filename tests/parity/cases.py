"""Cases of the original implementation: which agent each tests, how its arrays map to ours."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from mac.agents.base import Agent, agent_class, registry
from mac.nets.mlp import Init
from mac.types import Batch, Spaces

# file name without mode -> agent
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


def parameter_name(path: str, depth: int) -> str:
    """Our name of a parameter like ``Dense_0/kernel`` in a network with ``depth`` hidden layers."""
    layer, leaf = path.split("/")
    if layer.startswith("LayerNorm_"):
        return f"trunk.{'scales' if leaf == 'scale' else 'shifts'}.{layer[10:]}"
    if layer in ("mean_net", "log_std_net"):
        return f"{layer.removesuffix('_net')}_{_LEAF[leaf]}"
    index = int(layer.removeprefix("Dense_"))
    if index == depth:
        return _LEAF[leaf]
    return f"trunk.{'weights' if leaf == 'kernel' else 'biases'}.{index}"


def config_of(name: str, original: dict) -> dict:
    """Our configuration of the original's hyper-parameters."""
    widths = {key: original[f"{key}_hidden_dims"] for key in ("actor", "dynamics", "value")}
    critic = widths["value"] if name == "mac_fql" else widths["dynamics"]
    value = {
        "hidden_dims": widths["value"],
        "critic_hidden_dims": critic,
        "rollout_length": original["rollout_steps"],
        "rollout_batch_size": original["rollout_batch_size"] if name == "mac" else None,
        "td_lambda": original.get("lam", 1.0),
        "polyak_rate": original.get("tau", 0.005),
        "num_candidates": original.get("num_samples_train", 1),
        "loss": original["value_loss"],
        "target_network": original["target_network"],
    }
    policy = {"mac": "distilled_flow", "mac_gau": "gaussian", "mac_fql": "flow"}.get(name, "flow")
    config = {
        "agent": name,
        "mode": "goal" if original["_mode"] == "gc" else "reward",
        "schedule": "joint",
        "chunk_length": original["action_chunking"],
        "discount": original["discount"],
        "batch_size": original["batch_size"],
        "optimiser": {"learning_rate": original["lr"]},
        "goals": {"negative": original["gc_negative"]},
        "model": {"hidden_dims": widths["dynamics"]},
        "heads": {"hidden_dims": widths["dynamics"]},
        "behaviour": {
            "policy": policy,
            "hidden_dims": widths["actor"],
            "flow_steps": original["flow_steps"],
        },
        "value": value,
        "evaluate": {"num_candidates": original.get("num_samples_test", 1)},
    }
    if name == "mac_fql":
        config["distill_weight"] = original["alpha"]
    return config


@dataclass
class Case:
    """One file: arrays, the agent built from its configuration, and the mapping between them."""

    path: Path
    arrays: dict[str, np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        with np.load(self.path, allow_pickle=False) as archive:
            self.arrays = {name: archive[name] for name in archive.files}
        self.original = json.loads(str(self.arrays.pop("config")))
        self.agent_name = agent_name(self.path)

    def build(self, dtype: torch.dtype = torch.float32) -> Agent:
        """The agent with the file's parameters."""
        shapes = self.original["_shapes"]
        spaces = Spaces(shapes["ob_dim"], self.goal_dim, shapes["action_dim"])
        cls = agent_class(self.agent_name)
        config = cls.Config.model_validate(config_of(self.agent_name, self.original))
        agent = cls(config, spaces, Init(0))
        for part in agent.parts.values():
            part.to(dtype)
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
        return Batch(**data).map(lambda array: torch.from_numpy(array).to(dtype))

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
        return {n: torch.from_numpy(a).to(dtype) for n, a in noise.items()}

    def test_noise(self, kind: str, dtype: torch.dtype = torch.float32) -> torch.Tensor | None:
        """Noise of the acting test ``batch``, ``full`` or ``single`` with leading rows, or None."""
        for name, array in self.arrays.items():
            if re.fullmatch(rf"noise/\d+_test_{kind}_(z|eps)", name):
                if kind == "single":
                    array = array.reshape(array.shape[-2:] if self.candidates else array.shape[-1:])
                    return torch.from_numpy(array).to(dtype)[None]
                array = array.reshape(array.shape[-3:] if self.candidates else array.shape[-2:])
                array = np.swapaxes(array, 0, 1) if self.candidates else array
                return torch.from_numpy(np.ascontiguousarray(array)).to(dtype)
        return None

    @property
    def candidates(self) -> bool:
        return self.agent_name in ("mac", "mac_gau")


def agent_name(path: Path) -> str:
    """Agent that a case file tests."""
    return AGENTS[re.sub(r"_(gc|reward)$", "", path.stem)]


def is_known(path: Path) -> bool:
    """Whether the file's agent exists here."""
    return agent_name(path) in registry()
