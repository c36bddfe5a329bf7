import pytest
import torch

from mac.nets.frozen import Frozen, frozen
from mac.nets.mlp import MLP, Init, Scalar


def network(layer_norm=True):
    net = Scalar((6, 4), (16, 16), Init(0).generator("q"), layer_norm=layer_norm)
    generator = torch.Generator().manual_seed(1)
    for parameter in net.parameters():
        parameter.data.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return net


def inputs(dtype=torch.float32):
    generator = torch.Generator().manual_seed(2)
    shapes = ((5, 6), (3, 5, 4))
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


@pytest.mark.parametrize("layer_norm", [True, False])
def test_moving_scale_and_shift_changes_nothing(layer_norm):
    net = network(layer_norm).double()
    with torch.no_grad():
        found = Frozen(net, torch.float64)(*inputs(torch.float64)).squeeze(-1)
    torch.testing.assert_close(found, net(*inputs(torch.float64)), rtol=1e-12, atol=1e-13)


def test_bf16_is_close_keeps_the_dtype_and_ends_with_the_block():
    net = network()
    exact = net(*inputs())
    with frozen([net], "bf16"), torch.no_grad():
        rough = net(*inputs())
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.1
    assert torch.equal(net(*inputs()), exact)


def test_float32_changes_nothing():
    net = network()
    with frozen([net], "float32"):
        assert net.frozen is None


def test_weights_are_those_of_the_beginning_and_an_error_ends_it():
    holder = torch.nn.ModuleList([MLP((4,), (8,), 2, Init(0).generator("a"))])
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    with pytest.raises(RuntimeError, match="stop"), frozen([holder], "bf16"), torch.no_grad():
        before = holder[0](x)
        holder[0].weight.zero_()
        assert torch.equal(holder[0](x), before)
        raise RuntimeError("stop")
    assert holder[0].frozen is None
