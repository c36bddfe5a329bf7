"""Cases of the original with other options, whose results a slow oracle tells."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.conftest import PARITY_CASES

from .comparison import open_case

BOUNDS = {"out": 2e-5, "grad": 2e-5, "grad_critic_only": 2e-5}
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


def check_agreement(evaluate, name):
    """An oracle's ``evaluate`` gives all results of a case of the original."""
    config, given, expected = read(name)
    found = evaluate(config, given)
    expected = {k: array for k, array in expected.items() if k.partition("/")[0] != "info"}
    assert found.keys() >= expected.keys()
    for key, array in expected.items():
        share = 5e-5 if key.endswith("total_loss_after3") else BOUNDS.get(key.partition("/")[0])
        bound = share * np.abs(array).max() if share else 5e-6
        assert found[key].shape == array.shape, key
        assert np.abs(found[key] - array).max() <= bound, key


def altered(evaluate, name, alter, options, path: Path):
    """The case ``name`` with altered arrays and options, and an oracle's results, in a file."""
    config, arrays, _ = read(name)
    config, arrays = {**config, **options}, alter(arrays)
    results = evaluate(config, arrays)
    results = {key: array.astype(np.float32) for key, array in results.items()}
    np.savez(path, config=np.array(json.dumps(config)), **arrays, **results)
    return open_case(path)


def same(arrays):
    """As it is."""
    return arrays


def plain(arrays):
    """Without layer normalisation."""
    return {key: array for key, array in arrays.items() if "LayerNorm" not in key}


def free(arrays):
    """With a spread that does not depend on the state."""
    kept = {key: array for key, array in arrays.items() if "log_std_net" not in key}
    return kept | {"params/actor/log_stds": np.array([-0.4, 0.3], np.float32)}
