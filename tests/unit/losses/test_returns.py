import pytest
import torch

from mac.losses.returns import lambda_returns


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
