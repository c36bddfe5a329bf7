import math

import pytest
import torch

from mac.components.dynamics import GaussianEnsemble
from mac.config.baselines import GaussianEnsembleConfig
from mac.nets.mlp import Init
from mac.types import Batch, Spaces

ROWS, WIDTH, MEMBERS = 6, 3, 4


@pytest.fixture
def model():
    config = GaussianEnsembleConfig(members=MEMBERS, hidden_dims=(8, 8))
    model = GaussianEnsemble(Spaces(WIDTH, 0, 2), config, Init(0)).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            shape = parameter.shape
            parameter.add_(0.3 * torch.randn(shape, generator=generator, dtype=torch.float64))
    return model


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    shapes = ((ROWS, WIDTH), (ROWS, 1, 2), (ROWS, WIDTH))
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


@torch.no_grad()
def by_hand(model, observations, actions):
    """Means and spreads (E, B, O) from the raw outputs, one number at a time."""
    outputs = model.dynamics(observations, actions[:, 0])
    means, stds = torch.zeros(2, MEMBERS, ROWS, WIDTH, dtype=torch.float64)
    for e in range(MEMBERS):
        for b in range(ROWS):
            for d in range(WIDTH):
                means[e, b, d] = observations[b, d] + outputs[e, b, d]
                spread = 1.0 / (1.0 + math.exp(-float(outputs[e, b, WIDTH + d])))
                stds[e, b, d] = math.exp(-5.0 + 6.0 * spread)
    return means, stds


def test_distribution(model, inputs):
    observations, actions, _ = inputs
    for found, expected in zip(
        model.distribution(observations, actions),
        by_hand(model, observations, actions),
        strict=True,
    ):
        torch.testing.assert_close(found, expected)


def test_a_row_comes_from_one_member_and_a_coordinate_may_come_from_its_own(model, inputs):
    observations, actions, noise = inputs
    means, stds = by_hand(model, observations, actions)
    members = torch.tensor([3, 0, 1, 2, 1, 0])
    found = model(observations, actions, noise, members)
    for b, e in enumerate(members):
        torch.testing.assert_close(found[b], means[e, b] + stds[e, b] * noise[b])
    mixed = (members[:, None] + torch.arange(WIDTH)) % MEMBERS
    found = model(observations, actions, noise, mixed)
    for b in range(ROWS):
        for d in range(WIDTH):
            e = mixed[b, d]
            expected = means[e, b, d] + stds[e, b, d] * noise[b, d]
            torch.testing.assert_close(found[b, d], expected)


def test_likelihood(model, inputs):
    observations, actions, following = inputs
    means, stds = by_hand(model, observations, actions)
    total = 0.0
    for e in range(MEMBERS):
        for b in range(ROWS):
            for d in range(WIDTH):
                z = float((following[b, d] - means[e, b, d]) / stds[e, b, d])
                total += 0.5 * z * z + math.log(stds[e, b, d]) + 0.5 * math.log(2.0 * math.pi)
    rest = dict.fromkeys(("rewards", "masks", "value_goals", "actor_goals"))
    batch = Batch(observations=observations, actions=actions, next_observations=following, **rest)
    (loss,) = model.losses(batch, {})
    assert loss.value.item() == pytest.approx(total / (MEMBERS * ROWS))


def test_members_are_drawn_evenly_for_every_row_and_step(model):
    noise, members = model.draws(200, 50)
    assert noise.shape == (200, 50, WIDTH) and members.shape == (200, 50)
    drawn = members.sample(torch.Generator().manual_seed(0), torch.device("cpu"))
    counts = torch.bincount(drawn.flatten(), minlength=MEMBERS).double()
    assert counts.numel() == MEMBERS
    # a chi-square of 3 degrees of freedom exceeds 16.3 once in a thousand
    assert float(((counts - 2500.0).square() / 2500.0).sum()) < 16.3
    assert model.draws(2, 5, by_coordinate=True)[1].shape == (2, 5, WIDTH)
