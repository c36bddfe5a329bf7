"""Residual perceptron that predicts the noise in a vector, given what it belongs to and a time.

Facts from the public code of IDQL, philippe-eecs/IDQL: jaxrl5/networks/resnet.py (blocks) and
jaxrl5/networks/diffusion.py (features of the time, order of the inputs).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mac.nets.dense import LAYER_NORM_EPS, join
from mac.nets.mlp import glorot_uniform

TRUNCATED_STD = 0.87962566103423978  # of a standard normal cut at two standard deviations


def lecun_normal(out_dim: int, in_dim: int, generator: torch.Generator) -> nn.Parameter:
    """Kernel (out, in) of variance 1 / in, from a normal cut at two standard deviations."""
    std = math.sqrt(1.0 / in_dim) / TRUNCATED_STD
    kernel = torch.empty(out_dim, in_dim)
    nn.init.trunc_normal_(kernel, 0.0, std, -2.0 * std, 2.0 * std, generator=generator)
    return nn.Parameter(kernel)


class Affine(nn.Module):
    """x W^T + b, b zero at first."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight, self.bias = weight, nn.Parameter(torch.zeros(len(weight)))

    def forward(self, x: Tensor) -> Tensor:
        """(..., J) of (..., I)."""
        return F.linear(x, self.weight, self.bias)


class Block(nn.Module):
    """x + W' mish(W LN(dropout(x))), four times as wide inside; x is mapped where widths differ."""

    def __init__(
        self, in_dim: int, width: int, generator: torch.Generator, *, layer_norm: bool
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_dim, eps=LAYER_NORM_EPS) if layer_norm else nn.Identity()
        self.wide = Affine(lecun_normal(4 * width, in_dim, generator))
        self.narrow = Affine(lecun_normal(width, 4 * width, generator))
        same = in_dim == width
        self.shortcut = nn.Identity() if same else Affine(lecun_normal(width, in_dim, generator))

    def forward(self, x: Tensor, kept: Tensor | None = None) -> Tensor:
        """(..., J) of (..., I); ``kept`` (..., I) is what the dropout multiplies by."""
        inside = x if kept is None else x * kept
        return self.shortcut(x) + self.narrow(F.mish(self.wide(self.norm(inside))))


class TimeFeatures(nn.Module):
    """Cosines and sines of learnt frequencies, and a perceptron of two layers on them."""

    def __init__(self, features: int, dims: tuple[int, int], generator: torch.Generator) -> None:
        super().__init__()
        frequencies = torch.empty(features // 2, 1).normal_(0.0, 0.2, generator=generator)
        self.frequencies = nn.Parameter(frequencies)
        self.first, self.second = (
            Affine(glorot_uniform(out, inner, generator))
            for inner, out in pairwise((features, *dims))
        )

    def forward(self, times: Tensor) -> Tensor:
        """(..., J) of times (..., 1)."""
        angles = 2.0 * math.pi * F.linear(times, self.frequencies)
        features = torch.cat([angles.cos(), angles.sin()], -1)
        return self.second(F.mish(self.first(features)))


class NoisePredictor(nn.Module):
    """Noise in x, given its time and what it belongs to.

    Args:
        in_dims: widths of what x belongs to.
        out_dim: width of x.
        hidden_dims: widths of the blocks, of which the first is that of the layer before them.
        time_dims: number of features of the time, widths of the two layers on them.
        generator: source of the initial parameters.
        layer_norm: whether the blocks normalise.
    """

    def __init__(
        self,
        in_dims: Sequence[int],
        out_dim: int,
        hidden_dims: Sequence[int],
        time_dims: tuple[int, int, int],
        generator: torch.Generator,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__()
        features, *layers = time_dims
        self.time = TimeFeatures(features, tuple(layers), generator)
        inputs = out_dim + sum(in_dims) + layers[-1]
        self.first = Affine(glorot_uniform(hidden_dims[0], inputs, generator))
        widths = (hidden_dims[0], *hidden_dims)
        self.blocks = nn.ModuleList(
            Block(inside, outside, generator, layer_norm=layer_norm)
            for inside, outside in pairwise(widths)
        )
        self.last = Affine(glorot_uniform(out_dim, hidden_dims[-1], generator))
        self.dropped = widths[:-1]  # widths at which dropout may act

    def forward(
        self, x: Tensor, times: Tensor, given: Sequence[Tensor], kept: Sequence[Tensor] = ()
    ) -> Tensor:
        """Noise (..., D) in x (..., D) at times (..., 1); leading axes of ``given`` broadcast.

        ``kept`` is what the dropout of each block multiplies by, without it there is none.
        """
        lead = x.shape[:-1]
        given = [part.expand(*lead, part.shape[-1]) for part in given]
        h = self.first(join([x, *given, self.time(times)]))
        for index, block in enumerate(self.blocks):
            h = block(h, kept[index] if kept else None)
        return self.last(F.mish(h))
