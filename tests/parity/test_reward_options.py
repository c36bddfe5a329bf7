"""Options of the FQL repository's agents that no case of the original has."""

from __future__ import annotations

import numpy as np
import pytest

from . import reward_oracle
from .altered import altered, check_agreement, plain, same
from .comparison import CaseTests


@pytest.mark.parametrize("name", reward_oracle.FORWARD)
def test_the_oracle_agrees_with_the_original(name):
    check_agreement(reward_oracle.evaluate, name)


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
    path = tmp_path_factory.mktemp("altered") / f"{request.param}.npz"
    return altered(reward_oracle.evaluate, *ALTERED[request.param], path)


class TestAlteredCases(CaseTests):
    pass
