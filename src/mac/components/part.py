"""The interface of a learnable part: its losses, the noise they use, and what follows an update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mac.types import Batch

Noise = Mapping[str, Tensor]


@dataclass(frozen=True)
class Draw:
    """Shape and distribution (``normal`` or ``uniform`` in [0, 1)) of one noise array."""

    shape: tuple[int, ...]
    kind: str = "normal"

    def sample(self, generator: torch.Generator, device: torch.device) -> Tensor:
        """One sample, float32."""
        draw = torch.randn if self.kind == "normal" else torch.rand
        return draw(self.shape, generator=generator, device=device)


@dataclass(frozen=True)
class Loss:
    """A scalar and the modules it trains; nothing else receives its gradient.

    Attributes:
        name: name under which the value is logged.
        value: scalar tensor.
        trains: modules whose parameters the value is differentiated for.
        metrics: further scalar tensors to log.
    """

    name: str
    value: Tensor
    trains: Sequence[nn.Module]
    metrics: Mapping[str, Tensor] = field(default_factory=dict)


class Part(nn.Module):
    """Base of the parts. All losses are pure functions of parameters, batch and noise."""

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise that ``losses`` needs for a batch of that size."""
        return {}

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Losses of this part on a batch."""
        raise NotImplementedError

    def follow(self) -> None:
        """Move target networks towards the online ones."""


def flat(chunks: Tensor) -> Tensor:
    """Chunks (..., n, A) as vectors (..., n A), first action first."""
    return chunks.flatten(-2)
