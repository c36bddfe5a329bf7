"""Windows of a trajectory as rows of actions and what they were taken on (algorithms.md 15)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from mac.data.normalize import Normalizer
from mac.data.store import Split
from mac.data.views.anchors import Anchors
from mac.data.views.view import View
from mac.errors import DataError
from mac.types import HierarchyBatch, PlanBatch


class Sequences:
    """Windows of M rows, K steps apart, from uniform starts of all episodes, without padding.

    Row m of the window from row i of the data is ``(a_{i+mK}, …, a_{i+mK+K-1}, s_{i+mK})``, actions
    first and in the order of time; the goal representation of ``i + mK`` stands at the end if asked
    for. K = 1 gives Diffuser's rows, K > 1 those of Hierarchical Diffuser's high level.

    A window covers M K steps, of which an episode of T transitions has T - M K + 1; the original
    leaves out the last [F].

    Args:
        split: the data.
        normalizer: of states and goals; actions stay as they are, in [-1, 1].
        rows: M.
        stride: K, environment steps.
        goals: rows end with the oracle's goal representation.
        all_anchors: use the last start of each episode too [C].
    """

    def __init__(
        self,
        split: Split,
        normalizer: Normalizer,
        rows: int,
        stride: int = 1,
        *,
        goals: bool = False,
        all_anchors: bool = False,
    ) -> None:
        self._split, self._goals = split, goals
        self._normalizer = normalizer.at(split.place)
        self._rows, self._within = stride * np.arange(rows), np.arange(stride)
        self.anchors = Anchors(split, split.lengths - rows * stride + (1 if all_anchors else 0))
        if len(self.anchors) == 0:
            raise DataError(
                "no episode is long enough for a window",
                found=f"{rows} rows of {stride} steps",
                expected=f"fewer than {int(split.lengths.max())} steps",
            )

    def __len__(self) -> int:
        return len(self.anchors)

    def sample(self, generator: np.random.Generator, batch_size: int) -> np.ndarray:
        """Windows (B, M, K A + O [+ G]) at uniform starts."""
        return self.batch(self.anchors.sample(generator, batch_size)[0])

    def batch(self, anchors: np.ndarray) -> np.ndarray:
        """Windows starting at rows ``anchors`` (B,) of the data."""
        split, first = self._split, anchors[:, None] + self._rows
        actions = split.actions[first[..., None] + self._within]
        pieces = [
            actions.reshape(*first.shape, -1),
            self._normalizer.observations(split.observations[first]),
        ]
        if self._goals:
            pieces.append(self._normalizer.goals(split.goals[first]))
        return split.place.join(pieces)


class Plans(View):
    """What Diffuser learns: windows of consecutive rows, whose goal is where they end."""

    def __init__(self, sequences: Sequences) -> None:
        self._sequences = sequences

    @classmethod
    def configured(
        cls, config: Any, split: Split, normalizer: Normalizer, task: int | None
    ) -> Self:
        """Windows of ``plan.rows``."""
        anchors = config.data.all_anchors
        return cls(Sequences(split, normalizer, config.plan.rows, goals=True, all_anchors=anchors))

    def __len__(self) -> int:
        return len(self._sequences)

    def sample(self, generator: np.random.Generator, batch_size: int) -> PlanBatch:
        """Batch of so many windows."""
        return PlanBatch(self._sequences.sample(generator, batch_size))


class Hierarchy(View):
    """What Hierarchical Diffuser's levels learn, each from windows of its own, drawn apart."""

    def __init__(self, high: Sequences, low: Sequences) -> None:
        self._high, self._low = high, low

    @classmethod
    def configured(
        cls, config: Any, split: Split, normalizer: Normalizer, task: int | None
    ) -> Self:
        """``high.rows`` rows ``stride`` steps apart; the ``stride`` + 1 states of a segment."""
        anchors, stride = config.data.all_anchors, config.stride
        return cls(
            Sequences(split, normalizer, config.high.rows, stride, goals=True, all_anchors=anchors),
            Sequences(split, normalizer, stride + 1, all_anchors=anchors),
        )

    def __len__(self) -> int:
        return len(self._high)

    def sample(self, generator: np.random.Generator, batch_size: int) -> HierarchyBatch:
        """Batch of so many windows of each level."""
        return HierarchyBatch(*(s.sample(generator, batch_size) for s in (self._high, self._low)))
