import math

import pytest
import torch

from mac.nets.dense import gelu, hidden, join
from mac.nets.mlp import MLP, Init, glorot_uniform


def oracle(x, weight, bias, norm):
    x = x @ weight.T + bias
    x = 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    if norm is None:
        return x
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-6) * norm[0] + norm[1]


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize("lead", [(7,), (3, 5)])
def test_layer_equals_the_oracle_on_both_paths(grad, normed, lead):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(*lead, 6, generator=generator)
    weight, bias = torch.randn(8, 6, generator=generator), torch.randn(8, generator=generator)
    norm = (torch.randn(8, generator=generator), torch.randn(8, generator=generator))
    norm = norm if normed else None
    with torch.set_grad_enabled(grad):
        found = hidden(x, weight, bias, norm)
    wide = None if norm is None else tuple(t.double() for t in norm)
    expected = oracle(x.double(), weight.double(), bias.double(), wide)
    torch.testing.assert_close(found.double(), expected, rtol=2e-5, atol=2e-6)


def test_glorot_limits_and_spread():
    kernel = glorot_uniform(300, 200, torch.Generator().manual_seed(0), scale=0.01)
    limit = math.sqrt(6 * 0.01 / 500)
    assert kernel.abs().max() <= limit
    assert kernel.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)


def test_initial_values_depend_on_seed_and_name_only():
    def make(seed, name):
        return MLP((3,), (4,), 2, Init(seed).generator(name)).weight

    assert torch.equal(make(0, "a"), make(0, "a"))
    assert not torch.equal(make(0, "a"), make(0, "b"))
    assert not torch.equal(make(0, "a"), make(1, "a"))


def test_join_broadcasts_earlier_inputs_and_accepts_width_zero():
    s, g, z = torch.randn(5, 3), torch.zeros(5, 0), torch.randn(2, 5, 4)
    out = join((s, g, z))
    assert out.shape == (2, 5, 7)
    assert torch.equal(out[1, :, :3], s)


def test_gelu_and_its_gradient_equal_torch():
    x = torch.linspace(-6, 6, 101, dtype=torch.float64, requires_grad=True)
    expected = torch.nn.functional.gelu(x, approximate="tanh")
    torch.testing.assert_close(gelu(x), expected, rtol=1e-12, atol=1e-14)
    weights = torch.linspace(1, 2, 101, dtype=torch.float64)
    found = torch.autograd.grad((gelu(x) * weights).sum(), x)
    torch.testing.assert_close(found, torch.autograd.grad((expected * weights).sum(), x))
