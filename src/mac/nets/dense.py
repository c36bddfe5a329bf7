"""A hidden layer: affine map, GELU, LayerNorm, in the original's order (algorithms.md 0.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LAYER_NORM_EPS = 1e-6  # Flax's default; PyTorch's is 1e-5


def _fused(x: Tensor) -> bool:
    """Whether the affine map and the GELU can run as one oneDNN call, which saves a memory pass."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and not torch.is_grad_enabled()
        and torch.backends.mkldnn.is_available()
    )


def hidden(x: Tensor, weight: Tensor, bias: Tensor, norm: tuple[Tensor, Tensor] | None) -> Tensor:
    """LayerNorm(GELU(x W^T + b)), tanh form of GELU; no normalisation where ``norm`` is None.

    Args:
        x: (..., I).
        weight: (J, I).
        bias: (J,).
        norm: scale and shift, each (J,).

    Returns:
        (..., J).
    """
    if _fused(x):
        x = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "gelu", [], "tanh")
    else:
        x = F.gelu(F.linear(x, weight, bias), approximate="tanh")
    if norm is None:
        return x
    return F.layer_norm(x, x.shape[-1:], *norm, LAYER_NORM_EPS)
