"""A stage's numbers and its revision move together.

A few float64 updates of every agent are held against a stored trace. After an intended change of a
loss: raise the stage's ``revision`` and run ``pytest tests/golden --rewrite-golden``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mac.agents.base import registry
from mac.nets.mlp import Init
from mac.rng import stream
from mac.training.update import Update, adam
from mac.types import Batch, Spaces

STORED = Path(__file__).parent / "traces.json"
BUILT_IN = [name for name, cls in registry().items() if cls.__module__.startswith("mac.agents.")]
POLICIES = {"mac_gau": "gaussian", "mac_fql": "flow"}


def small_config(name, mode):
    cls = registry()[name]
    widths = {"hidden_dims": [8, 8]}
    return cls.Config.model_validate(
        {
            "agent": name,
            "mode": mode,
            "chunk_length": 3,
            "discount": 0.9,
            "batch_size": 6,
            "optimiser": {"learning_rate": 0.01},
            "model": widths,
            "heads": widths,
            "behaviour": {
                **widths,
                "flow_steps": 3,
                "policy": POLICIES.get(name, "distilled_flow"),
            },
            "value": {
                **widths,
                "critic_hidden_dims": [8, 8],
                "rollout_length": 3,
                "num_candidates": 4,
                "rollout_batch_size": None,
                "polyak_rate": 0.1,
            },
        }
    )


def trace(name, mode):
    """Losses of four joint updates from fixed parameters, batch and noise, all drawn by NumPy."""
    config = small_config(name, mode)
    goal_dim = 2 if mode == "goal" else 0
    agent = registry()[name](config, Spaces(4, goal_dim, 2), Init(0))
    parts = list(agent.parts.values())
    draw = stream(0, "golden")
    with torch.no_grad():
        for part in parts:
            part.double()
            for parameter in part.parameters():
                values = draw.standard_normal(parameter.shape) * 0.3
                parameter.copy_(torch.from_numpy(values))
    batch = Batch(
        observations=draw.standard_normal((6, 4)),
        actions=draw.uniform(-0.95, 0.95, (6, 3, 2)),
        rewards=draw.standard_normal(6),
        masks=(draw.random(6) > 0.3) * 1.0,
        next_observations=draw.standard_normal((6, 4)),
        value_goals=draw.standard_normal((6, goal_dim)),
        actor_goals=draw.standard_normal((6, goal_dim)),
    ).map(torch.from_numpy)
    update = Update(parts, adam(parts, config.optimiser))
    noise = {
        key: torch.from_numpy(
            draw.standard_normal(d.shape) if d.kind == "normal" else draw.random(d.shape)
        )
        for key, d in sorted(update.draws(6).items())
    }
    rows = [update(batch, noise) for _ in range(4)]
    losses = {key for key in rows[0] if key.endswith("_loss")}
    return {key: [float(row[key]) for row in rows] for key in sorted(losses)}


@pytest.mark.parametrize("mode", ["reward", "goal"])
@pytest.mark.parametrize("name", BUILT_IN)
def test_numbers_move_with_the_revision(name, mode, request):
    found = {
        "revisions": {stage.name: stage.revision for stage in registry()[name].stages},
        "losses": trace(name, mode),
    }
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    key = f"{name}/{mode}"
    if request.config.getoption("--rewrite-golden"):
        stored[key] = found
        STORED.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
        return
    assert key in stored, f"no trace of {key}; run pytest tests/golden --rewrite-golden"
    same = found["losses"].keys() == stored[key]["losses"].keys() and all(
        np.allclose(found["losses"][k], stored[key]["losses"][k], rtol=1e-9, atol=1e-12)
        for k in found["losses"]
    )
    if found["revisions"] == stored[key]["revisions"]:
        assert same, f"{key}: losses moved but no revision did; raise the stage's revision"
    else:
        assert not same, f"{key}: a revision moved but no number did"
        pytest.fail(f"{key}: numbers and revision moved; run pytest tests/golden --rewrite-golden")
