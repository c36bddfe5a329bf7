"""One-dimensional U-Net over the rows of a trajectory (algorithms.md 15.1, 15.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from mac.errors import ConfigError
from mac.nets.unet_sizes import GROUPS, KERNEL, misfit


def _drawn(kind: type[nn.Module], *shape: int, generator: torch.Generator, **options: int):
    """An affine layer with PyTorch's usual initial distribution, drawn from ``generator``.

    Kernel and bias are uniform in ±1 / sqrt(fan-in).
    """
    layer = skip_init(kind, *shape, **options)
    limit = 1.0 / math.sqrt(layer.weight[0].numel())
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-limit, limit, generator=generator)
    return layer


def _strided(kind: type[nn.Module], width: int, kernel: int, generator: torch.Generator):
    return _drawn(kind, width, width, kernel, stride=2, padding=1, generator=generator)


def sinusoid(steps: Tensor, width: int) -> Tensor:
    """Embedding (B, width) of steps (B,), floats: sines, then cosines, of step · 1 … 1/10000."""
    half = width // 2
    exponents = torch.arange(half, dtype=steps.dtype, device=steps.device) / (half - 1)
    angles = steps[:, None] * 10_000.0**-exponents
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class ConvBlock(nn.Module):
    """Convolution of kernel 5, GroupNorm, Mish: (B, I, L) to (B, J, L)."""

    def __init__(self, in_width: int, out_width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.convolution = _drawn(
            nn.Conv1d, in_width, out_width, KERNEL, padding=KERNEL // 2, generator=generator
        )
        self.norm = nn.GroupNorm(GROUPS, out_width)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, J, L)."""
        return F.mish(self.norm(self.convolution(x)))


class ResidualBlock(nn.Module):
    """Two convolution blocks around the step's embedding, beside the identity or a 1x1 map."""

    def __init__(
        self, in_width: int, out_width: int, step_width: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.first = ConvBlock(in_width, out_width, generator)
        self.second = ConvBlock(out_width, out_width, generator)
        self.step = _drawn(nn.Linear, step_width, out_width, generator=generator)
        self.shortcut = (
            nn.Identity()
            if in_width == out_width
            else _drawn(nn.Conv1d, in_width, out_width, 1, generator=generator)
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Features (B, J, L) of features (B, I, L) and embedded steps (B, E)."""
        shift = self.step(F.mish(embedding))[..., None]
        return self.second(self.first(x) + shift) + self.shortcut(x)


class Level(nn.Module):
    """Two residual blocks one after the other."""

    def __init__(
        self, in_width: int, out_width: int, step_width: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.first = ResidualBlock(in_width, out_width, step_width, generator)
        self.second = ResidualBlock(out_width, out_width, step_width, generator)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Features (B, J, L) of features (B, I, L) and embedded steps (B, E)."""
        return self.second(self.first(x, embedding), embedding)


class TemporalUNet(nn.Module):
    """Maps rows and a diffusion step to rows: the network of Diffuser and Hierarchical Diffuser.

    Strided convolutions lie between levels of two residual blocks; one more such level is at the
    bottom. The way up has one level less: the features of full resolution are no skip [F].

    Args:
        rows: number of rows H.
        row_dim: width D of a row.
        hidden_dims: widths of the levels; the first is that of the step's embedding too.
        kernels_down: of the convolutions between levels, first used first.
        kernels_up: of the transposed convolutions, first used (deepest) first.
        generator: source of the initial parameters.

    Raises:
        ConfigError: sizes that do not fit together, see :func:`mac.nets.unet_sizes.misfit`.
    """

    def __init__(
        self,
        rows: int,
        row_dim: int,
        hidden_dims: Sequence[int],
        kernels_down: Sequence[int],
        kernels_up: Sequence[int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        wrong = misfit(rows, hidden_dims, kernels_down, kernels_up)
        if wrong is not None:
            raise ConfigError(wrong[1], key=wrong[0])
        widths = list(hidden_dims)
        self.step_width = first = widths[0]
        self.step_in = _drawn(nn.Linear, first, 4 * first, generator=generator)
        self.step_out = _drawn(nn.Linear, 4 * first, first, generator=generator)
        ins = (row_dim, *widths)
        self.down_levels = nn.ModuleList(
            Level(i, j, first, generator) for i, j in zip(ins, widths, strict=False)
        )
        self.down = nn.ModuleList(
            _strided(nn.Conv1d, j, kernel, generator)
            for j, kernel in zip(widths, kernels_down, strict=False)
        )
        self.middle = Level(widths[-1], widths[-1], first, generator)
        above = list(zip(widths[:0:-1], widths[-2::-1], strict=True))  # width and the next one up
        self.up_levels = nn.ModuleList(Level(2 * i, j, first, generator) for i, j in above)
        self.up = nn.ModuleList(
            _strided(nn.ConvTranspose1d, j, kernel, generator)
            for (_, j), kernel in zip(above, kernels_up, strict=True)
        )
        self.head = ConvBlock(first, first, generator)
        self.output = _drawn(nn.Conv1d, first, row_dim, 1, generator=generator)

    def forward(self, rows: Tensor, steps: Tensor) -> Tensor:
        """Rows (B, H, D) of noisy rows (B, H, D) and diffusion steps (B,)."""
        angles = sinusoid(steps.to(rows.dtype), self.step_width)
        embedding = self.step_out(F.mish(self.step_in(angles)))
        x, skips = rows.transpose(1, 2), []
        for index, level in enumerate(self.down_levels):
            x = level(x, embedding)
            skips.append(x)
            if index < len(self.down):
                x = self.down[index](x)
        x = self.middle(x, embedding)
        for level, strided in zip(self.up_levels, self.up, strict=True):
            x = strided(level(torch.cat([x, skips.pop()], dim=1), embedding))
        return self.output(self.head(x)).transpose(1, 2)
