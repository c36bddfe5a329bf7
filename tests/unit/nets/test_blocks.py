import torch

from mac.nets import blocks
from mac.nets.mlp import MLP, Init


def test_blocks_change_neither_outputs_nor_gradients(monkeypatch):
    net = MLP((3, 2), (8, 8), 4, Init(0).generator("net")).double()
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(5, 7, k, generator=generator, dtype=torch.float64) for k in (3, 2)]

    def outputs_and_gradients():
        out = net(*inputs)
        return out, torch.autograd.grad(out.square().mean(), list(net.parameters()))

    whole = outputs_and_gradients()
    calls = []
    trunk = net.trunk.forward
    monkeypatch.setattr(net.trunk, "forward", lambda x: calls.append(len(x)) or trunk(x))
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 8)
    torch.testing.assert_close(outputs_and_gradients(), whole, rtol=1e-12, atol=1e-14)
    assert calls == [8, 8, 8, 8, 3]
    with torch.no_grad():
        net(*inputs)
    assert calls[5:] == [5]  # one pass over (5, 7) inputs, not cut
