"""Options of the goal-conditioned baselines that no case of the original has."""

from __future__ import annotations

import numpy as np
import pytest

from . import goal_oracle
from .altered import altered, check_agreement, free, plain, same
from .comparison import CaseTests


@pytest.mark.parametrize("name", goal_oracle.FORWARD)
def test_the_oracle_agrees_with_the_original(name):
    check_agreement(goal_oracle.evaluate, name)


def third(arrays):
    """With a third critic, between the two."""

    def more(array):
        return np.concatenate([array, array.mean(0, keepdims=True)])

    return {k: more(array) if "critic/" in k else array for k, array in arrays.items()}


def negative(arrays):
    """With rewards below zero."""
    key = "batch/high_value_rewards"
    return arrays | {key: -3.0 * arrays[key] - np.float32(0.5)}


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
    path = tmp_path_factory.mktemp("altered") / f"{request.param}.npz"
    return altered(goal_oracle.evaluate, *ALTERED[request.param], path)


class TestAlteredCases(CaseTests):
    pass
