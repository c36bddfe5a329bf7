"""The interface of a learnable part: its losses, the noise they use, and what follows an update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


class Composite(Part):
    """Networks that learn together: their own losses, and those that an agent adds.

    Args:
        modules: networks and parts by name. The losses of parts come first; what can follow does.
        losses: the agent's, as of :meth:`Part.losses`.
        noise: what these use, as of :meth:`Part.noise`.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        losses: Callable[[Batch, Noise], list[Loss]] = lambda batch, noise: [],
        noise: Callable[[int], dict[str, Draw]] = lambda batch_size: {},
    ) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self._losses, self._noise = losses, noise

    @property
    def _parts(self) -> list[Part]:
        return [module for module in self.children() if isinstance(module, Part)]

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise of the parts and of the agent's losses."""
        own = self._noise(batch_size)
        return {n: d for part in self._parts for n, d in part.noise(batch_size).items()} | own

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Losses of the parts, then the agent's."""
        found = [loss for part in self._parts for loss in part.losses(batch, noise)]
        return [*found, *self._losses(batch, noise)]

    def follow(self) -> None:
        """All that follows, does."""
        for module in self.children():
            if hasattr(module, "follow"):
                module.follow()


def flat(chunks: Tensor) -> Tensor:
    """Chunks (..., n, A) as vectors (..., n A), first action first."""
    return chunks.flatten(-2)
