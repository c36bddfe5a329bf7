"""The noise predictor against NumPy, and how it begins."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mac.nets.residual import NoisePredictor, lecun_normal


def mish(x):
    return x * np.tanh(np.log1p(np.exp(x)))


def affine(P, name, x):
    return x @ P[f"{name}.weight"].T + P[f"{name}.bias"]


def slow(P, blocks, x, times, given, kept):
    """The public code's network, read from the parameters' names."""
    angles = 2 * np.pi * times @ P["time.frequencies"].T
    features = np.concatenate([np.cos(angles), np.sin(angles)], -1)
    time = affine(P, "time.second", mish(affine(P, "time.first", features)))
    h = affine(P, "first", np.concatenate([x, *given, time], -1))
    for i in range(blocks):
        inside = h * kept[i] if kept else h
        if f"blocks.{i}.norm.weight" in P:
            mean, var = inside.mean(-1, keepdims=True), inside.var(-1, keepdims=True)
            inside = (inside - mean) / np.sqrt(var + 1e-6)
            inside = inside * P[f"blocks.{i}.norm.weight"] + P[f"blocks.{i}.norm.bias"]
        inside = affine(P, f"blocks.{i}.narrow", mish(affine(P, f"blocks.{i}.wide", inside)))
        if f"blocks.{i}.shortcut.weight" in P:
            h = affine(P, f"blocks.{i}.shortcut", h)
        h = h + inside
    return affine(P, "last", mish(h))


@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("widths", [[6, 6, 6], [5, 8]])
@pytest.mark.parametrize("dropping", [True, False])
def test_against_numpy(widths, layer_norm, dropping):
    generator = torch.Generator().manual_seed(0)
    network = NoisePredictor((3, 1), 2, widths, (8, 7, 5), generator, layer_norm=layer_norm)
    network.double()
    with torch.no_grad():
        for parameter in network.parameters():  # biases and scales away from 0 and 1
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    random = np.random.default_rng(0)
    x, times = random.standard_normal((4, 2)), random.integers(0, 5, (4, 1)).astype(float)
    given = [random.standard_normal((4, width)) for width in (3, 1)]
    kept = [random.integers(0, 2, (4, w)) / 0.5 for w in network.dropped] if dropping else []
    found = network(
        *map(torch.from_numpy, (x, times)),
        *([torch.from_numpy(array) for array in arrays] for arrays in (given, kept)),
    )
    parameters = {name: p.detach().numpy() for name, p in network.named_parameters()}
    expected = slow(parameters, len(widths), x, times, given, kept)
    assert np.allclose(found.detach().numpy(), expected, atol=1e-12)


def test_what_it_belongs_to_is_spread_over_candidates():
    network = NoisePredictor((3, 0), 2, [4], (4, 4, 4), torch.Generator().manual_seed(0))
    x, times, state = (
        torch.ones(5, 6, 2),
        torch.ones(5, 6, 1),
        torch.randn(6, 3, generator=torch.Generator().manual_seed(1)),
    )
    found = network(x, times, (state, state[:, :0]))
    assert found.shape == (5, 6, 2)
    assert torch.allclose(found[0], found[4]) and not torch.allclose(found[:, 0], found[:, 1])


def test_kernels_of_blocks_keep_the_variance():
    kernel = lecun_normal(400, 100, torch.Generator().manual_seed(0)).detach()
    assert kernel.std().item() == pytest.approx(0.1, rel=0.02)
    assert kernel.abs().max().item() <= 2 * 0.1 / 0.87962566 + 1e-6
    assert kernel.abs().max().item() > 0.2
    assert math.isclose(kernel.mean().item(), 0.0, abs_tol=2e-3)
