import pytest
import torch

from mac.losses.returns import averaged_returns, lambda_returns


def advantage_form(rewards, masks, values, discount, td_lambda):
    """The original's form: GAE plus values; values of s_0 to s_H."""
    horizon = len(rewards)
    advantage, returns = 0.0, [None] * horizon
    for h in reversed(range(horizon)):
        delta = rewards[h] + discount * masks[h] * values[h + 1] - values[h]
        advantage = delta + discount * td_lambda * masks[h] * advantage
        returns[h] = values[h] + advantage
    return torch.stack(returns)


@pytest.fixture
def trajectory():
    generator = torch.Generator().manual_seed(0)
    rewards = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    masks = (torch.rand(6, 5, generator=generator) > 0.3).double()
    values = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    return rewards, masks, values


@pytest.mark.parametrize("td_lambda", [0.0, 0.5, 0.95, 1.0])
def test_equals_the_advantage_form(trajectory, td_lambda):
    rewards, masks, values = trajectory
    found = lambda_returns(rewards, masks, values[1:], 0.9, td_lambda)
    torch.testing.assert_close(found, advantage_form(rewards, masks, values, 0.9, td_lambda))


def test_lambda_one_needs_only_the_last_value(trajectory):
    rewards, masks, values = trajectory
    full = lambda_returns(rewards, masks, values[1:], 0.9, 1.0)
    torch.testing.assert_close(lambda_returns(rewards, masks, values[-1:], 0.9, 1.0), full)


def test_by_hand():
    rewards, masks = torch.tensor([[1.0], [2.0]]), torch.ones(2, 1)
    found = lambda_returns(rewards, masks, torch.tensor([[8.0]]), 0.5, 1.0)
    assert found.flatten().tolist() == [1 + 0.5 * (2 + 0.5 * 8), 2 + 0.5 * 8]


def test_success_cuts_the_future():
    rewards, masks = torch.tensor([[0.0], [5.0]]), torch.tensor([[0.0], [1.0]])
    assert lambda_returns(rewards, masks, torch.tensor([[9.0]]), 0.9, 1.0)[0].item() == 0.0


def written_out(rewards, alive, values, discount, td_lambda):
    """Algorithms.md 8, line by line."""
    returns, count = [values[-1]], 1.0
    for h in reversed(range(len(rewards))):
        received = alive[h] * rewards[h] + alive[h + 1] * discount * returns[0]
        mixed = values[h] + td_lambda * count * received
        returns.insert(0, mixed / (1.0 + td_lambda * count))
        count = 1.0 + td_lambda * count
    return torch.stack(returns)


@pytest.mark.parametrize("td_lambda", [0.0, 0.5, 0.95, 1.0])
def test_averages_as_written(trajectory, td_lambda):
    rewards, masks, values = trajectory
    alive = torch.cat([torch.ones(1, 5), masks]).cumprod(0)
    found = averaged_returns(rewards, alive, values, 0.9, td_lambda)
    expected = written_out(rewards, alive, values, 0.9, td_lambda)
    torch.testing.assert_close(found, expected)


def test_lambda_one_averages_the_returns_of_all_horizons_alike(trajectory):
    rewards, _, values = trajectory
    found = averaged_returns(rewards, torch.ones(7, 5), values, 0.9, 1.0)
    for h in range(7):
        horizons = []
        for k in range(7 - h):
            received = sum(0.9**i * rewards[h + i] for i in range(k))
            horizons.append(received + 0.9**k * values[h + k])
        torch.testing.assert_close(found[h], torch.stack(horizons).mean(0))


def test_lambda_zero_is_the_value_itself(trajectory):
    rewards, _, values = trajectory
    assert torch.equal(averaged_returns(rewards, torch.ones(7, 5), values, 0.9, 0.0), values)
