"""Tanh-squashed Gaussian over action chunks with state-dependent spread (algorithms.md 0.4, 2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mac.nets.mlp import Trunk, glorot_uniform, join

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0


class TanhGaussian(nn.Module):
    """Distribution of tanh(mean + std * noise); mean and log-std are affine heads of one trunk."""

    def __init__(
        self,
        in_dims: Sequence[int],
        hidden_dims: Sequence[int],
        out_dim: int,
        generator: torch.Generator,
        *,
        head_scale: float = 0.01,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(sum(in_dims), hidden_dims, generator)
        width = self.trunk.out_dim
        self.mean_weight = glorot_uniform(out_dim, width, generator, head_scale)
        self.mean_bias = nn.Parameter(torch.zeros(out_dim))
        self.log_std_weight = glorot_uniform(out_dim, width, generator, head_scale)
        self.log_std_bias = nn.Parameter(torch.zeros(out_dim))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation before squashing, each (..., out)."""
        features = self.trunk(join(inputs))
        mean = F.linear(features, self.mean_weight, self.mean_bias)
        log_std = F.linear(features, self.log_std_weight, self.log_std_bias)
        return mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX).exp()

    def log_prob(self, actions: Tensor, *inputs: Tensor) -> Tensor:
        """Log-density (...) of squashed actions (..., out) strictly inside (-1, 1)."""
        mean, std = self(*inputs)
        raw = torch.atanh(actions)
        normal = torch.distributions.Normal(mean, std, validate_args=False).log_prob(raw)
        log_two = torch.log(torch.full((), 2.0, dtype=raw.dtype, device=raw.device))
        jacobian = 2.0 * (log_two - raw - F.softplus(-2.0 * raw))
        return (normal - jacobian).sum(-1)
