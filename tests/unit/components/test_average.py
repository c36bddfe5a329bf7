import copy

import torch
from torch import nn

from mac.components.average import MovingAverage


def train(network, step):
    """An update that moves every weight by a number of its own."""
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter += 0.1 * (index + 1) * torch.cos(torch.tensor(float(step)))


def slow_average(network, updates, decay, every, start):
    """The original's loop: after update ``step``, if that is divisible, copy or mix."""
    network = copy.deepcopy(network)
    own = [p.detach().clone() for p in network.parameters()]
    for step in range(updates):
        train(network, step)
        if step % every == 0:
            new = [p.detach().clone() for p in network.parameters()]
            if step >= start:
                new = [decay * a + (1 - decay) * b for a, b in zip(own, new, strict=True)]
            own = new
    return own


def make(decay=0.9, every=3, start=6):
    network = nn.Linear(3, 2).double()
    return network, MovingAverage(network, decay, every, start)


def test_it_equals_the_originals_loop_after_any_number_of_updates():
    network, average = make()
    first = copy.deepcopy(network)
    for updates in range(1, 31):
        train(network, updates - 1)
        average.follow()
        slow = slow_average(first, updates, 0.9, 3, 6)
        for found, expected in zip(average.average.parameters(), slow, strict=True):
            torch.testing.assert_close(found, expected)


def test_it_is_not_trained_and_acts_like_the_network_whose_weights_it_has():
    network, average = make()
    assert not any(p.requires_grad for p in average.parameters())
    assert len(list(average.parameters())) == 2  # the network itself is no part of it
    x = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(average(x), network(x))
    train(network, 0)
    assert not torch.equal(average(x), network(x))
    average.follow()
    assert torch.equal(average(x), network(x))  # a plain copy


def test_it_goes_on_from_its_saved_state():
    network, average = make()
    for step in range(8):
        train(network, step)
        average.follow()
    resumed_network, resumed = make()
    resumed_network.load_state_dict(network.state_dict())
    resumed.load_state_dict(average.state_dict())
    for step in range(8, 14):
        for one, other in ((network, average), (resumed_network, resumed)):
            train(one, step)
            other.follow()
    for one, other in zip(average.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    assert resumed.updates.item() == 14
