"""What every view offers to training."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from mac.data.normalize import Normalizer
from mac.data.store import Split
from mac.types import Record


class View:
    """A split as an endless source of batches."""

    @classmethod
    def configured(
        cls, config: Any, split: Split, normalizer: Normalizer, task: int | None
    ) -> Self:
        """The view that an agent's configuration asks for; ``task`` counts in reward mode."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Number of places where a row of a batch can start."""
        raise NotImplementedError

    def at(self, step: int) -> View:
        """The view that batches of a training step, counted from 0, are drawn from."""
        return self

    def sample(self, generator: np.random.Generator, batch_size: int) -> Record:
        """Batch of so many rows; all draws come from ``generator``."""
        raise NotImplementedError
