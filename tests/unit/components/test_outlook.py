"""Gradients of imagined returns, one pass for all, against one pass for each."""

import pytest
import torch

from mac.components.dynamics import GaussianEnsemble
from mac.components.outcome import Outcome
from mac.components.outlook import Outlook
from mac.components.part import flat
from mac.config.baselines import GaussianEnsembleConfig
from mac.losses.returns import averaged_returns
from mac.nets.gaussian import DiagonalGaussian
from mac.nets.mlp import Init, Scalar
from mac.types import Spaces

LENGTH, ROWS = 4, 9


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.fixture(params=["reward", "goal"])
def scene(request):
    """Networks with goals or without, states, goals, noise."""
    width = 2 if request.param == "goal" else 0
    spaces, init = Spaces(3, width, 2), Init(0)
    config = GaussianEnsembleConfig(members=3, hidden_dims=(8,))
    model = GaussianEnsemble(spaces, config, init).double()
    heads = Outcome(spaces, 1, (8,), init).double()
    critic = Scalar((3, width, 2), (8,), init.generator("critic")).double()
    actor = DiagonalGaussian((3, width), (8,), 2, init.generator("actor"), unit_std=True).double()
    with torch.no_grad():
        for index, network in enumerate((model, heads, critic, actor)):
            for p in network.parameters():
                p.add_(0.4 * normal(*p.shape, seed=index))
    noise = normal(LENGTH, ROWS, 3), (normal(LENGTH, ROWS, 3).abs() * 10).long() % 3
    states, goals = 2.0 * normal(ROWS, 3, seed=5), normal(ROWS, width, seed=6)
    with torch.no_grad():  # a quarter of the rows end in their first step
        logits = heads.success(states, goals, actor.mode(states, goals))
        heads.success.bias.sub_(logits.quantile(0.75))
    return model, heads, critic, actor, states, goals, noise


def outlook(scene, td_lambda):
    model, heads, critic, actor, *_ = scene

    def policy(states, goals):
        return actor.mode(states, goals)[..., None, :]

    sizes = {"action_dim": 2, "rollout_length": LENGTH, "discount": 0.9}
    return Outlook(model, heads, policy, critic, **sizes, td_lambda=td_lambda), policy


def plain(scene, policy, td_lambda, shifts):
    """Returns (H + 1, B), differentiable step by step, when shifts are added to the actions."""
    model, heads, critic, _, state, goals, (eps, members) = scene
    rewards, alive, values = [], [torch.ones(ROWS, dtype=torch.float64)], []
    for h in range(LENGTH + 1):
        action = policy(state, goals) + shifts[h]
        values.append(critic(state, goals, flat(action)))
        if h < LENGTH:
            reward, mask = heads(state, goals, action)
            rewards.append(reward)
            alive.append(alive[-1] * mask)
            state = model(state, action, eps[h], members[h])
    stacked = torch.stack(rewards), torch.stack(alive), torch.stack(values)
    return averaged_returns(*stacked, 0.9, td_lambda), stacked[1]


@pytest.mark.parametrize("td_lambda", [0.0, 0.7, 1.0])
def test_one_pass_gives_every_gradient(scene, td_lambda):
    states, goals, noise = scene[4:]
    look, policy = outlook(scene, td_lambda)
    with torch.no_grad():
        found, gradients = look.gradients(states, goals, noise)
    shifts = [torch.zeros(ROWS, 1, 2).double().requires_grad_() for _ in range(LENGTH + 1)]
    returns, alive = plain(scene, policy, td_lambda, shifts)
    assert 0 < float(alive[1:].sum()) < alive[1:].numel(), "rows must end, and not all of them"
    torch.testing.assert_close(found.returns, returns.detach())
    torch.testing.assert_close(found.alive, alive)
    for h, shift in enumerate(shifts):
        (expected,) = torch.autograd.grad(returns[h].sum(), shift, retain_graph=True)
        torch.testing.assert_close(gradients[h], expected, rtol=1e-9, atol=1e-12)
    assert not gradients.requires_grad and not found.returns.requires_grad


def test_without_gradients_the_prospect_is_the_same(scene):
    states, goals, noise = scene[4:]
    look, policy = outlook(scene, 1.0)
    found, expected = look(states, goals, noise), look.gradients(states, goals, noise)[0]
    for name, array in vars(found).items():
        torch.testing.assert_close(array, getattr(expected, name))
        assert not array.requires_grad
    torch.testing.assert_close(found.actions, policy(found.states, found.goals).detach())


def test_weights_are_discounted_survival(scene):
    states, goals, noise = scene[4:]
    look, _ = outlook(scene, 1.0)
    found = look(states, goals, noise)
    weight = torch.ones(ROWS, dtype=torch.float64)
    for h, row in enumerate(look.weights(found)):
        torch.testing.assert_close(row, weight)
        weight = weight * (found.alive[h + 1] / found.alive[h].clamp_min(1e-9)) * 0.9
