"""Networks in reduced precision: present weights are made ready once and used in many calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mac.nets.dense import hidden, join

if TYPE_CHECKING:
    from mac.nets.mlp import MLP

# float32 computes in the parameters' own dtype, so that float64 networks stay float64
PRECISIONS = {"float32": None, "bf16": torch.bfloat16}


class Frozen:
    """A network as a function of its inputs alone, computed in another dtype.

    The scale and shift of a LayerNorm are moved into the affine map that follows it: in bfloat16
    a LayerNorm without them takes three quarters of the time.
    """

    def __init__(self, net: MLP, dtype: torch.dtype) -> None:
        self.dtype, self.out_dtype = dtype, net.weight.dtype
        self.layers: list[tuple[Tensor, Tensor]] = []
        scale_shift = None
        for weight, bias, norm in (*net.trunk.layers(), (net.weight, net.bias, None)):
            if scale_shift is not None:
                scale, shift = scale_shift
                weight, bias = weight * scale, torch.addmv(bias, weight, shift)
            self.layers.append((weight.to(dtype), bias.to(dtype)))
            scale_shift = norm
        self.norm = (None, None) if len(net.trunk.scales) else None

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Outputs (..., out) in the parameters' dtype; inputs as for the network."""
        x = join([x.to(self.dtype) for x in inputs])
        *trunk, output = self.layers
        for weight, bias in trunk:
            x = hidden(x, weight, bias, self.norm)
        return F.linear(x, *output).to(self.out_dtype)


@contextmanager
def frozen(modules: Sequence[nn.Module], precision: str) -> Iterator[None]:
    """Within it, the MLPs of some modules compute in a precision, with the weights they have now.

    Nothing may be differentiated with respect to them, or change them, meanwhile.

    Args:
        modules: parts or networks.
        precision: ``bf16``, or ``float32``, which changes nothing.
    """
    dtype = PRECISIONS[precision]
    candidates = [] if dtype is None else [net for m in modules for net in m.modules()]
    nets = [net for net in candidates if hasattr(net, "frozen")]
    try:
        with torch.no_grad():
            for net in nets:
                net.frozen = Frozen(net, dtype)
        yield
    finally:
        for net in nets:
            net.frozen = None
