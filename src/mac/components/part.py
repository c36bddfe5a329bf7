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
    """Shape and distribution of one noise array.

    Attributes:
        shape: of the array.
        kind: ``normal``, ``uniform`` in [0, 1), or ``index``, uniform in 0 ... ``below`` - 1.
        below: number of indices.
    """

    shape: tuple[int, ...]
    kind: str = "normal"
    below: int = 0

    def sample(self, generator: torch.Generator, device: torch.device) -> Tensor:
        """One sample, float32; int64 for indices."""
        if self.kind == "index":
            return torch.randint(self.below, self.shape, generator=generator, device=device)
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


@dataclass(frozen=True)
class Refresh:
    """When a part makes anew what it keeps beside its weights, and from how much.

    Attributes:
        every: updates between two refreshes.
        first: refreshes before the first update.
        rows: of the data that each gets.
        draws: noise that each gets.
    """

    every: int
    first: int
    rows: int
    draws: Mapping[str, Draw] = field(default_factory=dict)

    def due(self, step: int) -> list[int]:
        """Numbers, counted from 0, of the refreshes due right before update ``step`` = 1, 2, ..."""
        before = list(range(self.first)) if step == 1 else []
        return before if step % self.every else [*before, self.first - 1 + step // self.every]


class Part(nn.Module):
    """Base of the parts. All losses are pure functions of parameters, batch and noise.

    And of what a part with ``refreshes`` keeps beside its weights, which stays as it is between
    refreshes. A resumed run needs that too; evaluation does not, so checkpoints are without it.

    Attributes:
        period: updates in which each loss and each target has had its turn.
    """

    period = 1

    @property
    def refreshes(self) -> Refresh | None:
        """When ``refresh`` is due; None where nothing is kept."""
        return None

    def refresh(self, batch: Batch, noise: Noise, count: int) -> None:
        """Refresh number ``count`` with the present weights; changes in place what exists."""

    def memory(self) -> dict[str, Tensor]:
        """What is kept, by name; nothing before the first refresh."""
        return {}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Keep what :meth:`memory` gave."""

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise that ``losses`` needs for a batch of that size."""
        return {}

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Losses of this part on a batch; none where others train it."""
        return []

    def follow(self) -> None:
        """Move target networks towards the online ones."""


class Composite(Part):
    """Networks that learn together: their own losses, and those that an agent adds.

    Args:
        modules: networks and parts by name. The losses of parts come first; what can follow does.
        losses: the agent's, as of :meth:`Part.losses`; none where the parts have all.
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
