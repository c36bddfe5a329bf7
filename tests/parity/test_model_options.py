"""Options of MOPO, MOBILE and LEQ that no case of the original has."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from . import model_oracle
from .comparison import check_forward, check_gradients, check_updates, open_case
from .test_goal_options import BOUNDS, free, plain, read, same

NAMES = [f"{agent}_{mode}" for agent in model_oracle.FORWARD for mode in ("gc", "reward")]


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_agrees_with_the_original(name):
    config, given, expected = read(name)
    found = model_oracle.evaluate(config, given)
    for key, array in expected.items():
        group = key.partition("/")[0]
        if group == "info":
            continue
        share = 5e-5 if key.endswith("total_loss_after3") else BOUNDS.get(group)
        bound = share * np.abs(array).max() if share else 5e-6
        assert found[key].shape == array.shape, key
        assert np.abs(found[key] - array).max() <= bound, key


def shorter(arrays):
    """With rollouts of two steps."""
    late = [f"_h{h}_" for h in (2, 3)]
    return {k: a for k, a in arrays.items() if not any(part in k for part in late)}


POSITIVE = {"value_loss": "bce", "gc_negative": False}
ALTERED = {
    "mopo_gc_bce": ("mopo_gc", same, {**POSITIVE, "q_agg": "mean", "beta": 1.5}),
    "mopo_reward_bce": ("mopo_reward", same, {"value_loss": "bce", "target_network": False}),
    "mopo_gc_odd": ("mopo_gc", plain, {"value_loss": "bce", "layer_norm": False}),
    "mopo_reward_free": (
        "mopo_reward",
        free,
        {"state_dependent_std": False, "tanh_squash": False, "target_entropy": 0.7},
    ),
    "mobile_gc_positive": ("mobile_gc", shorter, {"gc_negative": False, "rollout_steps": 2}),
    "mobile_reward_plain": ("mobile_reward", plain, {"layer_norm": False, "discount": 0.5}),
    "mobile_gc_free": ("mobile_gc", free, {"state_dependent_std": False, "tanh_squash": False}),
    "leq_gc_zero": ("leq_gc", same, {"lam": 0.0, "gc_negative": False, "value_loss": "bce"}),
    "leq_gc_short": ("leq_gc", shorter, {"rollout_steps": 2, "expectile": 0.1, "lam": 1.0}),
    "leq_reward_plain": ("leq_reward", plain, {"layer_norm": False, "model_batch_ratio": 0.3}),
    "leq_reward_free": ("leq_reward", same, {"tanh_squash": False, "discount": 0.5}),
}


@pytest.fixture(scope="module", params=ALTERED)
def case(request, tmp_path_factory):
    """A case of the original with other options, and the oracle's results."""
    name, alter, options = ALTERED[request.param]
    config, arrays, _ = read(name)
    config, arrays = {**config, **options}, alter(arrays)
    results = model_oracle.evaluate(config, arrays)
    results = {key: array.astype(np.float32) for key, array in results.items()}
    path = tmp_path_factory.mktemp("altered") / f"{request.param}.npz"
    np.savez(path, config=np.array(json.dumps(config)), **arrays, **results)
    return open_case(path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("grad", [True, False], ids=["autograd", "inference"])
def test_forward(case, dtype, grad):
    check_forward(case, dtype, grad)


def test_gradients(case):
    check_gradients(case)


def test_updates(case):
    check_updates(case)
