"""Options of the FQL repository's agents that no case of the original has."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.conftest import PARITY_CASES

from . import reward_oracle
from .comparison import check_forward, check_gradients, check_updates, open_case

BOUNDS = {"out": 2e-5, "grad": 2e-5, "grad_critic_only": 2e-5}
INPUTS = ("params", "batch", "noise", "test")


def read(name):
    """Options, inputs and results of a case of the original."""
    with np.load(PARITY_CASES / f"{name}.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    config = json.loads(str(arrays.pop("config")))
    groups = {True: {}, False: {}}
    for key, array in arrays.items():
        groups[key.partition("/")[0] in INPUTS][key] = array
    return config, groups[True], groups[False]


@pytest.mark.parametrize("name", reward_oracle.FORWARD)
def test_the_oracle_agrees_with_the_original(name):
    config, given, expected = read(name)
    found = reward_oracle.evaluate(config, given)
    expected = {k: array for k, array in expected.items() if k.partition("/")[0] != "info"}
    assert found.keys() >= expected.keys()
    for key, array in expected.items():
        group = key.partition("/")[0]
        bound = BOUNDS[group] * np.abs(array).max() if group in BOUNDS else 5e-6
        assert found[key].shape == array.shape, key
        assert np.abs(found[key] - array).max() <= bound, key


def same(arrays):
    return arrays


def plain(arrays):
    """Without layer normalisation."""
    return {key: array for key, array in arrays.items() if "LayerNorm" not in key}


def normed(arrays):
    """With layer normalisation in the policies, whose hidden layers come before ``mean_net``."""
    found, random = dict(arrays), np.random.default_rng(0)
    for key, array in arrays.items():
        _, module, layer, leaf = (*key.split("/"), "", "", "")[:4]
        heads = f"params/{module}/mean_net/bias" in arrays
        hidden = ("Dense_0", "Dense_1") if heads or layer != "Dense_2" else ()
        if "actor" in module and layer in hidden and leaf == "bias":
            norm = f"params/{module}/LayerNorm_{layer[-1]}"
            found[f"{norm}/scale"] = (1 + 0.1 * random.standard_normal(array.shape)).astype("f4")
            found[f"{norm}/bias"] = (0.1 * random.standard_normal(array.shape)).astype("f4")
    return found


def free(arrays):
    """With a spread that does not depend on the state, and samples made with it."""
    noise = np.random.default_rng(0).standard_normal((1, 8, 2)).astype(np.float32)
    spread = np.array([-0.4, 0.3], np.float32)
    return arrays | {"params/actor/log_stds": spread, "noise/09_actor_eps": noise}


NORMED = {"actor_layer_norm": True}
PLAIN = {"layer_norm": False}
ALTERED = {
    "iql_ddpgbc": ("iql", same, {"actor_loss": "ddpgbc", "alpha": 0.7, "expectile": 0.7}),
    "iql_free": ("iql", lambda a: normed(free(a)), {"const_std": False, **NORMED}),
    "iql_sampled": ("iql", free, {"const_std": False, "actor_loss": "ddpgbc"}),
    "iql_plain": ("iql", plain, {**PLAIN, "alpha": 10.0}),
    "ifql_normed": ("ifql", normed, {**NORMED, "flow_steps": 2, "expectile": 0.7}),
    "ifql_plain": ("ifql", plain, {**PLAIN, "discount": 0.99}),
    "fql_min": ("fql", normed, {**NORMED, "q_agg": "min", "flow_steps": 1}),
    "fql_normalised": ("fql", plain, {**PLAIN, "normalize_q_loss": True, "alpha": 30.0}),
    "rebrac_normed": ("rebrac", normed, {**NORMED, "alpha_critic": 0.0, "actor_noise": 0.6}),
    "rebrac_free": ("rebrac", plain, {**PLAIN, "tanh_squash": False, "alpha_actor": 0.0}),
    "rebrac_every": ("rebrac", same, {"actor_freq": 1}),
    "rebrac_third": ("rebrac", same, {"actor_freq": 3, "actor_noise_clip": 0.05}),
}


@pytest.fixture(scope="module", params=ALTERED)
def case(request, tmp_path_factory):
    """A case of the original with other options, and the oracle's results."""
    name, alter, options = ALTERED[request.param]
    config, arrays, _ = read(name)
    config, arrays = {**config, **options}, alter(arrays)
    results = reward_oracle.evaluate(config, arrays)
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
