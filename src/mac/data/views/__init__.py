"""What agents train on: a split of the data as batches. A stage names its view (``Stage.view``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np

from mac.data.normalize import Normalizer
from mac.data.store import Split
from mac.data.views.anchors import Anchors
from mac.data.views.chunks import Chunks
from mac.data.views.outcomes import Outcomes
from mac.data.views.rotation import Rotation
from mac.data.views.sequences import Hierarchy, Plans, Sequences
from mac.data.views.subgoals import Subgoals
from mac.data.views.transitions import Steps, Transitions
from mac.data.views.windows import Windows
from mac.types import Record

__all__ = ["VIEWS", "Anchors", "Chunks", "Hierarchy", "Outcomes", "Plans", "Rotation"]
__all__ += ["Sequences", "Steps", "Subgoals", "Transitions", "View", "Windows"]


class View(Protocol):
    """A split as an endless source of batches."""

    @classmethod
    def configured(
        cls, config: Any, split: Split, normalizer: Normalizer, task: int | None
    ) -> Self:
        """The view that an agent's configuration asks for; ``task`` counts in reward mode."""

    def __len__(self) -> int:
        """Number of places where a row of a batch can start."""

    def at(self, step: int) -> Self:
        """The view that batches of a training step are drawn from."""

    def sample(self, generator: np.random.Generator, batch_size: int) -> Record:
        """Batch of so many rows; all draws come from ``generator``."""


VIEWS: Mapping[str, type[View]] = {
    "chunks": Chunks,
    "transitions": Transitions,
    "steps": Steps,
    "subgoals": Subgoals,
    "outcomes": Outcomes,
    "plans": Plans,
    "hierarchy": Hierarchy,
}
