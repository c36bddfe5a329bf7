"""Diffusion by predicted noise, against slow loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mac.losses.ddpm import ancestral, noise_prediction, variance_preserving


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_what_is_left_of_the_data_after_each_step(steps):
    """The running product in closed form: the odd numbers up to 2 k - 1 sum to k²."""
    schedule = variance_preserving(steps)
    for k, left in enumerate(schedule.alpha_bars, start=1):
        share = k / steps
        assert left == pytest.approx(math.exp(-0.1 * share - 0.5 * 9.9 * share**2), rel=1e-12)
    assert schedule.alpha_bars[-1] == pytest.approx(math.exp(-5.05))


def test_the_five_steps_of_the_public_code():
    """1 - exp(-0.1 / 5 - 0.5 · 9.9 (2 k - 1) / 25), worked out by hand for k = 1 and 5."""
    betas = variance_preserving(5).betas
    assert betas[0] == pytest.approx(1 - math.exp(-0.02 - 0.198), rel=1e-12)
    assert betas[4] == pytest.approx(1 - math.exp(-0.02 - 1.782), rel=1e-12)


def linear(x, k):
    return 0.3 * x - 0.2 * k + 0.1


def draws(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def test_loss_against_a_slow_loop():
    rows, width, steps = 7, 3, 5
    data, noise = draws(rows, width), draws(rows, width, seed=1)
    times = torch.tensor([[0.0], [0.19], [0.2], [0.5], [0.79], [0.8], [0.9999]]).double()
    chosen = [0, 0, 1, 2, 3, 4, 4]
    schedule = variance_preserving(steps)
    total = 0.0
    for row, k in enumerate(chosen):
        left = math.prod(1 - beta for beta in schedule.betas[: k + 1])
        for j in range(width):
            x = math.sqrt(left) * data[row, j].item() + math.sqrt(1 - left) * noise[row, j].item()
            total += (linear(x, k) - noise[row, j].item()) ** 2
    alpha_bars = torch.tensor(schedule.alpha_bars, dtype=torch.float64)
    loss = noise_prediction(linear, data, noise, times, alpha_bars)
    assert loss.item() == pytest.approx(total / rows, rel=1e-12)


@pytest.mark.parametrize("steps", [1, 5])
def test_sampling_against_a_slow_loop(steps):
    noise = draws(steps, 4, 6, 2)
    schedule = variance_preserving(steps)
    found = ancestral(linear, schedule, noise)
    clipped = False
    for place in np.ndindex(4, 6, 2):
        x = noise[(0, *place)].item()
        for k in range(steps - 1, -1, -1):
            beta = schedule.betas[k]
            left = math.prod(1 - b for b in schedule.betas[: k + 1])
            x = (x - beta / math.sqrt(1 - left) * linear(x, k)) / math.sqrt(1 - beta)
            x += math.sqrt(beta) * noise[(steps - k, *place)].item() if k else 0.0
            clipped |= abs(x) > 1
            x = min(max(x, -1.0), 1.0)
        assert found[place].item() == pytest.approx(x, abs=1e-12)
    assert clipped


def test_a_step_leads_to_the_mean_that_predicted_data_would():
    """The same posterior as that of a network which predicts the data instead of the noise."""
    schedule = variance_preserving(5)
    x = 0.05 * draws(9, 2)  # small, so that nothing is clipped
    for k in range(5):
        left, beta = schedule.alpha_bars[k], schedule.betas[k]
        predicted = 0.1 * linear(x, k)
        data = (x - math.sqrt(1 - left) * predicted) / math.sqrt(left)
        mean = (x - beta / math.sqrt(1 - left) * predicted) / math.sqrt(1 - beta)
        assert torch.allclose(mean, schedule.posterior_mean(x, data, k), atol=1e-12)
