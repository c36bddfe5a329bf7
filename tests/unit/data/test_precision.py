"""Observations in 16 bits: rounding as torch rounds, told in the manifest, undone when sampled."""

import json

import numpy as np
import pytest
import torch

from mac.data.build import build
from mac.data.precision import narrowed, widened
from mac.data.store import Store
from mac.data.views import Chunks, Outcomes
from mac.errors import DataError
from mac.rng import stream
from tests.specs import POINTMASS

PRECISIONS = ("float16", "bfloat16")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_numbers_are_rounded_as_torch_does(precision):
    generator = np.random.default_rng(0)
    array = (generator.normal(size=4000) * 10.0 ** generator.integers(-6, 4, 4000)).astype("f4")
    array[:4] = 0, -0.0, 1.00390625, 1.01171875  # the last two lie half way in bfloat16
    expected = torch.from_numpy(array).to(getattr(torch, precision)).float().numpy()
    found = widened(narrowed(array, precision))
    assert found.dtype == np.float32 and np.array_equal(found, expected)


def test_float32_stays_as_it_is():
    array = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    assert widened(narrowed(array, "float32")) is array


@pytest.mark.parametrize(("precision", "value"), [("float16", 7e4), ("bfloat16", 3.4e38)])
def test_what_a_precision_cannot_hold_is_named(precision, value):
    with pytest.raises(DataError, match=r"data\.precision: too large for the precision"):
        narrowed(np.float32([1, value]), precision)


@pytest.fixture(params=PRECISIONS)
def rounded(request, raw_files, tmp_path):
    build([raw_files[0]], [raw_files[1]], POINTMASS, tmp_path, request.param)
    return request.param, Store.open(tmp_path)


def test_only_observations_change_and_the_manifest_tells_how_much(rounded, store):
    precision, found = rounded
    told, observations = found.manifest["precision"], []
    for name in ("train", "validation"):
        before, after = vars(store.split(name)), vars(found.split(name))
        assert after["observations"].itemsize == 2
        observations.append((before.pop("observations"), widened(after.pop("observations"))))
        for key in before:
            assert np.array_equal(before[key], after[key]), key
    errors = np.concatenate([np.abs(after - before) for before, after in observations])
    assert told["observations"] == precision
    assert told["largest"] == errors.max(axis=0).tolist() and max(told["largest"]) > 0
    scale = store.normalizer("validation").observation_scale
    assert told["largest_normalised"] == pytest.approx((errors / scale).max(axis=0))
    assert told["bytes"] == 2 * errors.size and told["bytes_in_float32"] == 4 * errors.size
    assert found.manifest["statistics"] == store.manifest["statistics"]


def test_batches_differ_by_the_rounding_alone(rounded, store):
    _, found = rounded
    limit = np.array(found.manifest["precision"]["largest_normalised"]) * 1.001
    for view in (Chunks, Outcomes):
        exact, near = (
            view(some.split("train"), some.normalizer("validation"), 5, 0.99, "reward", 1).sample(
                stream(0, "test"), 64
            )
            for some in (store, found)
        )
        for name, array in vars(exact).items():
            other = vars(near)[name]
            assert other.dtype == np.float32
            if name in ("observations", "next_observations", "outcomes"):
                error = np.abs(other - array)
                assert error.max() > 0 and (error <= limit + 1e-6).all()
            else:
                assert np.array_equal(other, array), name


def test_a_store_in_float32_says_nothing_of_it(store):
    assert "precision" not in json.dumps(store.manifest)
