"""Multi-layer perceptron with the original's initialisation, activation and normalisation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mac.nets.blocks import in_blocks
from mac.nets.dense import hidden, join
from mac.nets.frozen import Frozen
from mac.rng import torch_seed


@dataclass(frozen=True)
class Init:
    """Source of initial parameters: a network's depend on the seed and the network's name only."""

    seed: int

    def generator(self, name: str) -> torch.Generator:
        """Generator of the network called ``name``."""
        return torch.Generator().manual_seed(torch_seed(self.seed, "init", name))


def glorot_uniform(
    out_dim: int, in_dim: int, generator: torch.Generator, scale: float = 1.0
) -> nn.Parameter:
    """Kernel (out, in) drawn from U(-l, l) with l = sqrt(6 scale / (in + out))."""
    limit = math.sqrt(6.0 * scale / (in_dim + out_dim))
    return nn.Parameter(torch.empty(out_dim, in_dim).uniform_(-limit, limit, generator=generator))


class Trunk(nn.Module):
    """Hidden layers only, each affine, GELU and, if ``layer_norm``, LayerNorm."""

    def __init__(
        self,
        in_dim: int,
        hidden_dims: Sequence[int],
        generator: torch.Generator,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__()
        widths = [in_dim, *hidden_dims]
        pairs = list(zip(widths[1:], widths[:-1], strict=True))
        self.weights = nn.ParameterList([glorot_uniform(j, i, generator) for j, i in pairs])
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(j)) for j in hidden_dims])
        normed = hidden_dims if layer_norm else ()
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(j)) for j in normed])
        self.shifts = nn.ParameterList([nn.Parameter(torch.zeros(j)) for j in normed])
        self.out_dim = widths[-1]

    def layers(self) -> Iterator[tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]]:
        """Weight, bias and normalisation of each layer."""
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            norm = (self.scales[index], self.shifts[index]) if len(self.scales) else None
            yield weight, bias, norm

    def forward(self, x: Tensor) -> Tensor:
        """Features (..., J) of inputs (..., I)."""
        for weight, bias, norm in self.layers():
            x = hidden(x, weight, bias, norm)
        return x


class MLP(nn.Module):
    """Hidden layers and a plain affine output. Inputs are concatenated in the order given."""

    def __init__(
        self,
        in_dims: Sequence[int],
        hidden_dims: Sequence[int],
        out_dim: int,
        generator: torch.Generator,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(sum(in_dims), hidden_dims, generator, layer_norm=layer_norm)
        self.weight = glorot_uniform(out_dim, self.trunk.out_dim, generator)
        self.bias = nn.Parameter(torch.zeros(out_dim))
        self.frozen: Frozen | None = None  # set within mac.nets.frozen.frozen

    def forward(self, *inputs: Tensor) -> Tensor:
        """Outputs (..., out). Leading axes of earlier inputs broadcast to the last input's."""
        if self.frozen is not None:
            return self.frozen(*inputs)
        return in_blocks(lambda x: F.linear(self.trunk(x), self.weight, self.bias), join(inputs))


class Scalar(MLP):
    """MLP with a single output, its axis squeezed: (...)."""

    def __init__(
        self,
        in_dims: Sequence[int],
        hidden_dims: Sequence[int],
        generator: torch.Generator,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__(in_dims, hidden_dims, 1, generator, layer_norm=layer_norm)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Outputs (...)."""
        return super().forward(*inputs).squeeze(-1)
