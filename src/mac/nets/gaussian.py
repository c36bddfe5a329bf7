"""Gaussian over actions or chunks of them, perhaps squashed by tanh (algorithms.md 0.4, 2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mac.nets.mlp import Trunk, glorot_uniform, join

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0


class DiagonalGaussian(nn.Module):
    """Distribution of tanh(mean + std * noise); mean and log-std are affine heads of one trunk.

    Args:
        in_dims: widths of the inputs.
        hidden_dims: widths of the trunk's layers.
        out_dim: width of a sample.
        generator: source of the initial parameters.
        head_scale: of the heads' initial kernels.
        layer_norm: whether the trunk's layers are normalised.
        squash: without it a sample is mean + std * noise.
        squash_mean: the mean is the tanh of its head.
        state_dependent_std: without it the log-std is one free vector.
        unit_std: the standard deviation is 1, and nothing to learn.
    """

    def __init__(
        self,
        in_dims: Sequence[int],
        hidden_dims: Sequence[int],
        out_dim: int,
        generator: torch.Generator,
        *,
        head_scale: float = 0.01,
        layer_norm: bool = True,
        squash: bool = True,
        squash_mean: bool = False,
        state_dependent_std: bool = True,
        unit_std: bool = False,
    ) -> None:
        super().__init__()
        self.squash, self.squash_mean = squash, squash_mean
        self.trunk = Trunk(sum(in_dims), hidden_dims, generator, layer_norm=layer_norm)
        width = self.trunk.out_dim
        self.mean_weight = glorot_uniform(out_dim, width, generator, head_scale)
        self.mean_bias = nn.Parameter(torch.zeros(out_dim))
        self.log_std_weight = (
            glorot_uniform(out_dim, width, generator, head_scale)
            if state_dependent_std and not unit_std
            else None
        )
        self.log_std_bias = None if unit_std else nn.Parameter(torch.zeros(out_dim))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation before squashing, each (..., out)."""
        features = self.trunk(join(inputs))
        mean = F.linear(features, self.mean_weight, self.mean_bias)
        if self.squash_mean:
            mean = torch.tanh(mean)
        if self.log_std_bias is None:
            return mean, torch.ones_like(mean)
        log_std = self.log_std_bias
        if self.log_std_weight is not None:
            log_std = F.linear(features, self.log_std_weight, log_std)
        return mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX).exp().expand_as(mean)

    def mode(self, *inputs: Tensor) -> Tensor:
        """Samples (..., out) at temperature 0: the squashed mean."""
        mean, _ = self(*inputs)
        return torch.tanh(mean) if self.squash else mean

    def transform(self, noise: Tensor, *inputs: Tensor) -> Tensor:
        """Samples (..., out) made of standard normal noise (..., out)."""
        mean, std = self(*inputs)
        raw = mean + std * noise
        return torch.tanh(raw) if self.squash else raw

    def log_prob(self, actions: Tensor, *inputs: Tensor) -> Tensor:
        """Log-density (...) of samples (..., out); squashed ones strictly inside (-1, 1)."""
        raw = torch.atanh(actions) if self.squash else actions
        return self._density(raw, *self(*inputs))

    def sample(self, noise: Tensor, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Samples (..., out) made of standard normal noise (..., out), and their log-density (...).

        Both are differentiable: the sample is reparameterised.
        """
        mean, std = self(*inputs)
        raw = mean + std * noise
        return torch.tanh(raw) if self.squash else raw, self._density(raw, mean, std)

    def _density(self, raw: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """Log-density (...) of samples that were ``raw`` before they were squashed."""
        normal = torch.distributions.Normal(mean, std, validate_args=False).log_prob(raw)
        if not self.squash:
            return normal.sum(-1)
        log_two = torch.log(torch.full((), 2.0, dtype=raw.dtype, device=raw.device))
        jacobian = 2.0 * (log_two - raw - F.softplus(-2.0 * raw))
        return (normal - jacobian).sum(-1)
