"""Training passes in blocks of rows whose activations stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK_ROWS = 512


def in_blocks(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Rows (..., J) of a row-wise function of x (..., I); training on a CPU goes block by block.

    The elementwise work of a layer then finds what the matrix product just wrote. Without gradients
    little else is between two products, and larger ones are faster.
    """
    rows = x.flatten(0, -2)
    if x.device.type != "cpu" or not torch.is_grad_enabled() or len(rows) <= BLOCK_ROWS:
        return function(x)
    blocks = [function(block) for block in rows.split(BLOCK_ROWS)]
    return torch.cat(blocks).unflatten(0, x.shape[:-1])
