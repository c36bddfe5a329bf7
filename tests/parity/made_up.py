"""Cases in the original's format that the original never made: random numbers, oracle's results."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import torch

from .oracle import HEADS, TARGET, evaluate


class Drawing:
    """Random arrays of a made-up case, rounded to float32 as the file stores them."""

    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)

    def normal(self, *shape, scale=1.0):
        return (scale * self.generator.standard_normal(shape)).astype(np.float32)

    def network(self, module, widths, layer_norm, output=True):
        """Arrays of a network with these input, hidden and output widths."""
        arrays, last = {}, len(widths) - 2
        for i, (inside, outside) in enumerate(pairwise(widths)):
            scale = (2 / (inside + outside)) ** 0.5
            arrays[f"{module}/Dense_{i}/kernel"] = self.normal(inside, outside, scale=scale)
            arrays[f"{module}/Dense_{i}/bias"] = self.normal(outside, scale=0.2)
            if layer_norm and (i < last or not output):
                arrays[f"{module}/LayerNorm_{i}/scale"] = 1 + self.normal(outside, scale=0.1)
                arrays[f"{module}/LayerNorm_{i}/bias"] = self.normal(outside, scale=0.1)
        return arrays

    def parameters(self, c, o, g):
        """Arrays of all the agent's networks, for observations of width o and goals of width g."""
        name, a, norm = c["agent_name"], c["action_dim"], c["layer_norm"]
        actor, value, dynamics = (c[f"{k}_hidden_dims"] for k in ("actor", "value", "dynamics"))
        arrays = self.network("dynamics", (o + a, *dynamics, o), norm)
        if name == "model_ac":
            return arrays
        for module in (*HEADS, "critic"):
            widths = value if (module, name) == ("critic", "mbfql") else dynamics
            arrays |= self.network(module, (o + g + a, *widths, 1), norm)
        for module in ("value", TARGET):
            arrays |= self.network(module, (o + g, *value, 1), norm)
        if name == "mbrs_ac":
            arrays |= self.network("actor", (o + g, *actor), norm, output=False)
            arrays["actor/mean_net/kernel"] = self.normal(actor[-1], a, scale=0.3)
            arrays["actor/mean_net/bias"] = self.normal(a, scale=0.2)
            if c["state_dependent_std"]:
                arrays["actor/log_std_net/kernel"] = self.normal(actor[-1], a, scale=0.3)
                arrays["actor/log_std_net/bias"] = self.normal(a, scale=0.2)
            else:
                arrays["actor/log_stds"] = self.normal(a, scale=0.3)
            return arrays
        field = "actor_flow" if name == "mac" else "actor_bc_flow"
        arrays |= self.network(field, (o + g + a + 1, *actor, a), norm)
        return arrays | self.network("actor_onestep_flow", (o + g + a, *actor, a), norm)

    def noise(self, c, rows, tests):
        """Every draw, in the file's shapes."""
        name, a, n, uniform = c["agent_name"], c["action_dim"], c["rollout_steps"], np.float32
        if name == "model_ac":
            return {}
        kind = "eps" if name == "mbrs_ac" else "z"
        lead = {"mbrs_ac": (1, c["num_samples_train"]), "mac": (c["num_samples_train"],)}
        lead = lead.get(name, ())
        rolled = min(rows, c["rollout_batch_size"]) if name == "mac" else rows
        draws = {}
        if name != "mbrs_ac":
            draws["flow_x0"] = self.normal(rows, a)
            draws["flow_t"] = self.generator.random((rows, 1)).astype(uniform)
            shape = (rows, a) if name == "mac" else (n, rows, a)
            draws["distill_z"] = self.normal(*shape)
        for h in range(n):
            draws[f"rollout_h{h}_{kind}"] = self.normal(*lead, rolled, a)
        testing = (*lead[:-1], c["num_samples_test"]) if lead else ()
        draws[f"test_batch_{kind}"] = self.normal(*testing, tests, a)
        draws[f"test_full_{kind}"] = self.normal(*lead, tests, a)
        draws[f"test_single_{kind}"] = self.normal(*testing, a)
        return {f"{i:02}_{key}": array for i, (key, array) in enumerate(draws.items())}

    def batch(self, c, rows, o, g):
        """Training batch; goals only where g > 0."""
        solved = self.generator.random(rows) < 0.4
        reward = solved - (1.0 if c["gc_negative"] else 0.0)
        arrays = {
            "observations": self.normal(rows, o),
            "actions": np.clip(self.normal(rows, c["action_dim"], scale=0.5), -0.98, 0.98),
            "next_observations": self.normal(rows, o),
            "masks": np.float32(1 - solved) if g else np.ones(rows, np.float32),
            "rewards": np.float32(reward) if g else self.normal(rows),
        }
        if g:
            arrays |= {f"{who}_goals": self.normal(rows, g) for who in ("value", "actor")}
        return arrays


DEFAULTS = {
    "action_chunking_test": 1,
    "actor_hidden_dims": [12, 10],
    "alpha": 0.3,
    "discount": 0.9,
    "dynamics_hidden_dims": [10, 12],
    "flow_steps": 3,
    "gc_negative": True,
    "lam": 0.95,
    "layer_norm": True,
    "lr": 0.003,
    "mean_tanh_squash": False,
    "num_samples_test": 4,
    "num_samples_train": 3,
    "rollout_batch_size": 6,
    "rollout_steps": 3,
    "state_dependent_std": True,
    "tanh_squash": True,
    "target_network": True,
    "tau": 0.1,
    "value_hidden_dims": [14, 8],
    "value_loss": "squared",
}
OWNERS = {
    "alpha": "mbfql",
    "mean_tanh_squash": "mbrs_ac",
    "state_dependent_std": "mbrs_ac",
    "tanh_squash": "mbrs_ac",
}


def tied(out):
    """Whether a choice of the case hangs on less than float32 can tell apart."""
    margins = [out["success_logits"].abs().min()] if "success_logits" in out else []
    for scores in (out.get("rollout_candidate_q"), out.get("test_candidate_q")):
        if scores is not None and scores.shape[-2] > 1:
            best = scores.topk(2, dim=-2).values
            margins.append((best.select(-2, 0) - best.select(-2, 1)).min())
    return any(margin < 2e-3 for margin in margins)


def made_up(
    agent, mode, *, rows=6, observation_dim=4, goal_dim=2, action_dim=2, chunk=2, **options
):
    """Arrays of a case file with these shapes and options."""
    width = goal_dim if mode == "gc" else 0
    shapes = {"B": rows, "ob_dim": observation_dim, "action_dim": action_dim}
    own = {key: DEFAULTS[key] for key in DEFAULTS if OWNERS.get(key, agent) == agent}
    c = {**own, **options, "agent_name": agent, "action_chunking": chunk, "batch_size": rows}
    c |= {"action_dim": chunk * action_dim, "ob_dim": observation_dim, "_mode": mode}
    c["_shapes"] = {**shapes, "goal_dim": width or None}
    for attempt in range(50):
        draw = Drawing(attempt)
        parameters = draw.parameters(c, observation_dim, width)
        batch = draw.batch(c, rows, observation_dim, width)
        noise = draw.noise(c, rows, 5)
        test = {"observations": draw.normal(5, observation_dim)}
        test |= {"goals": draw.normal(5, width)} if width else {}
        groups = {"params": parameters, "batch": batch, "noise": noise, "test": test}
        arrays = {
            f"{g}/{name}": array for g, part in groups.items() for name, array in part.items()
        }
        results = evaluate(c, arrays)
        if not tied({name[4:]: torch.from_numpy(x) for name, x in results.items()}):
            results = {name: array.astype(np.float32) for name, array in results.items()}
            return {"config": np.array(json.dumps(c)), **arrays, **results}
    raise AssertionError("every attempt is tied")
