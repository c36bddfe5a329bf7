"""Options of the goal-conditioned baselines that no case of the original has."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.conftest import PARITY_CASES

from . import goal_oracle
from .comparison import check_forward, check_gradients, check_updates, open_case

BOUNDS = {"out": 2e-5, "grad": 2e-5}
INPUTS = ("params", "batch", "fake_batch", "noise", "test")


def read(name):
    """Options, inputs and results of a case of the original."""
    with np.load(PARITY_CASES / f"{name}.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    config = json.loads(str(arrays.pop("config")))
    groups = {True: {}, False: {}}
    for key, array in arrays.items():
        groups[key.partition("/")[0] in INPUTS][key] = array
    return config, groups[True], groups[False]


@pytest.mark.parametrize("name", goal_oracle.FORWARD)
def test_the_oracle_agrees_with_the_original(name):
    config, given, expected = read(name)
    found = goal_oracle.evaluate(config, given)
    expected = {k: array for k, array in expected.items() if k.partition("/")[0] != "info"}
    assert found.keys() >= expected.keys()
    for key, array in expected.items():
        group = key.partition("/")[0]
        bound = BOUNDS[group] * np.abs(array).max() if group in BOUNDS else 5e-6
        assert found[key].shape == array.shape, key
        assert np.abs(found[key] - array).max() <= bound, key


def plain(arrays):
    """Without layer normalisation."""
    return {key: array for key, array in arrays.items() if "LayerNorm" not in key}


def third(arrays):
    """With a third critic, between the two."""

    def more(array):
        return np.concatenate([array, array.mean(0, keepdims=True)])

    return {k: more(array) if "critic/" in k else array for k, array in arrays.items()}


def free(arrays):
    """With a spread that does not depend on the state."""
    kept = {key: array for key, array in arrays.items() if "log_std_net" not in key}
    return kept | {"params/actor/log_stds": np.array([-0.4, 0.3], np.float32)}


def negative(arrays):
    """With rewards below zero."""
    key = "batch/high_value_rewards"
    return arrays | {key: -3.0 * arrays[key] - np.float32(0.5)}


def same(arrays):
    return arrays


SQUARED = {"value_loss": "squared", "gc_negative": True, "q_agg": "mean"}
ALTERED = {
    "gciql_awr": ("gciql", same, {"actor_loss": "awr", "alpha": 3.0, "expectile": 0.7}),
    "gciql_plain": ("gciql", plain, {"layer_norm": False, "alpha": 2.0, "gc_negative": False}),
    "ngcsacbc_squared": ("ngcsacbc", negative, {**SQUARED, "alpha": 0.5}),
    "ngcsacbc_clipped": ("ngcsacbc", negative, {"q_agg": "mean"}),
    "ngcsacbc_odd": ("ngcsacbc", negative, {"gc_negative": True}),
    "ngcsacbc_three": ("ngcsacbc", lambda a: plain(third(a)), {"layer_norm": False, "num_qs": 3}),
    "ngcsacbc_free": (
        "ngcsacbc",
        free,
        {"state_dependent_std": False, "tanh_squash": False, "target_entropy": -2.5},
    ),
    "sharsa_squared": ("sharsa", negative, {**SQUARED, "expectile": 0.7}),
    "sharsa_mean": ("sharsa", plain, {"q_agg": "mean", "layer_norm": False, "flow_steps": 3}),
    "sharsa_odd": ("sharsa", negative, {"gc_negative": True, "expectile": 0.9, "flow_steps": 1}),
}


@pytest.fixture(scope="module", params=ALTERED)
def case(request, tmp_path_factory):
    """A case of the original with other options, and the oracle's results."""
    name, alter, options = ALTERED[request.param]
    config, arrays, _ = read(name)
    config, arrays = {**config, **options}, alter(arrays)
    results = goal_oracle.evaluate(config, arrays)
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
