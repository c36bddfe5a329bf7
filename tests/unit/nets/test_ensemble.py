"""An ensemble is its members, one by one."""

from __future__ import annotations

import pytest
import torch

from mac.nets.ensemble import Ensemble, Scalars
from mac.nets.mlp import MLP


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def member(ensemble, index, dims, out, layer_norm):
    """The MLP with one member's parameters."""
    net = MLP(
        dims, [w.shape[1] for w in ensemble.trunk.weights], out, generator(), layer_norm=layer_norm
    )
    state = {name: value[index] for name, value in ensemble.state_dict().items()}
    net.load_state_dict(state)
    return net


@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("grad", [True, False])
def test_every_member_is_an_mlp(layer_norm, grad):
    ensemble = Ensemble((3, 2), (7, 5), 4, 3, generator(), layer_norm=layer_norm).double()
    for parameter in ensemble.parameters():  # biases and scales are constants at first
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator(1))
    states = torch.randn(6, 3, generator=generator(2)).double()
    actions = torch.randn(2, 6, 2, generator=generator(3)).double()
    with torch.set_grad_enabled(grad):
        outputs = ensemble(states, actions)
        assert outputs.shape == (3, 2, 6, 4)
        for index in range(3):
            one = member(ensemble, index, (3, 2), 4, layer_norm).double()
            assert torch.allclose(outputs[index], one(states, actions), atol=1e-12)


def test_members_start_apart_and_within_glorots_bounds():
    ensemble = Scalars((3,), (50,), 2, generator())
    first, second = ensemble.trunk.weights[0]
    assert not torch.equal(first, second)
    limit = (6.0 / 53) ** 0.5
    assert ensemble.trunk.weights[0].abs().max() <= limit < 1.1 * first.abs().max()
    assert ensemble(torch.zeros(5, 3)).shape == (2, 5)
