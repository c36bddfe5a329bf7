"""The oracle agrees with the original on every case of it, so that it may make further ones."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.conftest import PARITY_CASES

from . import oracle

NAMES = [f"{agent}_{mode}" for agent in oracle.AGENTS[:-1] for mode in ("gc", "reward")]
BOUNDS = {"out": 2e-5, "grad": 2e-5}


@pytest.mark.parametrize("name", [*NAMES, "model_ac"])
def test_agrees_with_the_original(name):
    with np.load(PARITY_CASES / f"{name}.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    config = json.loads(str(arrays.pop("config")))
    inputs = ("params", "batch", "noise", "test")
    given = {key: array for key, array in arrays.items() if key.partition("/")[0] in inputs}
    found = oracle.evaluate(config, given)
    expected = {key for key in arrays if key.partition("/")[0] in ("out", "grad", "step1", "step3")}
    assert found.keys() >= expected
    for key in sorted(expected):
        group = key.partition("/")[0]
        bound = BOUNDS[group] * np.abs(arrays[key]).max() if group in BOUNDS else 5e-6
        assert found[key].shape == arrays[key].shape, key
        assert np.abs(found[key] - arrays[key]).max() <= bound, key
