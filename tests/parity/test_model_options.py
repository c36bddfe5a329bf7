"""Options of MOPO, MOBILE and LEQ that no case of the original has."""

from __future__ import annotations

import pytest

from . import model_oracle
from .altered import altered, check_agreement, free, plain, same
from .comparison import CaseTests

NAMES = [f"{agent}_{mode}" for agent in model_oracle.FORWARD for mode in ("gc", "reward")]


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_agrees_with_the_original(name):
    check_agreement(model_oracle.evaluate, name)


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
    path = tmp_path_factory.mktemp("altered") / f"{request.param}.npz"
    return altered(model_oracle.evaluate, *ALTERED[request.param], path)


class TestAlteredCases(CaseTests):
    pass
