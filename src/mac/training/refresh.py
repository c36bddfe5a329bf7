"""What parts keep beside their weights: made anew when due, saved with the resumable state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from mac.components.part import Draw, Part
from mac.errors import CheckpointError
from mac.types import Batch

Draws = Mapping[str, Draw]


class Refreshing:
    """The parts, at any depth of some parts, that keep something.

    Args:
        parts: by name.
        batch: data on the device, by step from 0, purpose, counter and number of rows.
        noise: noise on the device, by purpose, counter and draws.
    """

    def __init__(
        self,
        parts: Mapping[str, Part],
        batch: Callable[[int, str, int, int], Batch],
        noise: Callable[[str, int, Draws], Mapping[str, Tensor]],
    ) -> None:
        self.batch, self.noise = batch, noise
        self.keepers = {
            name: module
            for key, part in parts.items()
            for name, module in part.named_modules(prefix=key)
            if isinstance(module, Part) and module.refreshes is not None
        }

    def before(self, step: int) -> None:
        """All that is due right before update ``step``, counted from 1."""
        for name, part in self.keepers.items():
            for count in part.refreshes.due(step):
                self.refresh(name, count, step)

    @torch.no_grad()
    def refresh(self, name: str, count: int, step: int = 1) -> None:
        """Refresh number ``count`` of one part, which is a function of its weights and of these."""
        part = self.keepers[name]
        due = part.refreshes
        batch = self.batch(step - 1, f"refresh {name}", count, due.rows)
        part.refresh(batch, self.noise(f"refresh noise {name}", count, due.draws), count)

    def tensors(self) -> dict[str, Tensor]:
        """Everything kept, as ``memory.part.name``."""
        return {
            f"memory.{name}.{key}": tensor
            for name, part in self.keepers.items()
            for key, tensor in part.memory().items()
        }

    def load(self, tensors: Mapping[str, Tensor], source: Path) -> None:
        """Restore what :meth:`tensors` gave; ``source`` is the file, for messages."""
        for name, part in self.keepers.items():
            prefix = f"memory.{name}."
            found = {key: t for key, t in tensors.items() if key.startswith(prefix)}
            if not found:
                raise CheckpointError("lacks what a part keeps", file=source, key=prefix)
            part.remember({key.removeprefix(prefix): t for key, t in found.items()})
