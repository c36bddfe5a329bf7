"""First actions, every state of the chunk that follows, and returns to go (data.md 5.4, 5.5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from mac.data.store import Split
from mac.data.views.chunks import Chunks
from mac.types import OutcomeBatch


class Outcomes(Chunks):
    """Chunks of which the first k actions, all n next states and the return to go are kept.

    The return to go is, in goal mode, whether the value goal lies ahead in the trajectory before
    its end, (1, B); in reward mode the undiscounted sum of rewards to the trajectory's end, at all
    n + 1 rows of the chunk [F], (n + 1, B), or at the first alone [C], (1, B).

    Args:
        split: the data.
        arguments: those of :class:`Chunks`; ``chunk_length`` is n.
        taken: k.
        first_return: keep the return to go of the first state alone [C].
        options: those of :class:`Chunks`.
    """

    def __init__(
        self,
        split: Split,
        *arguments: Any,
        taken: int = 1,
        first_return: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(split, *arguments, **options)
        self._taken, self._first_return = taken, first_return
        self._ends = np.asarray(split.starts) + split.lengths - 1
        if self._mode == "reward":
            self._earned = np.append(0.0, np.cumsum(self._rewards, dtype=np.float64))

    @staticmethod
    def options(config: Any) -> dict[str, Any]:
        """What a configuration says of the view's arguments."""
        return {
            **Chunks.options(config),
            "chunk_length": config.outcome_length,
            "taken": config.chunk_length,
            "first_return": config.first_return,
        }

    def batch(
        self,
        anchors: np.ndarray,
        value_goal_rows: np.ndarray | None = None,
        actor_goal_rows: np.ndarray | None = None,
    ) -> OutcomeBatch:
        """Batch at given rows; see :meth:`Chunks.batch`."""
        batch = super().batch(anchors, value_goal_rows, actor_goal_rows)
        rows = anchors + np.arange(len(self._offsets) + 1)[:, None]
        outcomes = self._normalizer.observations(self._split.observations[rows[1:].T])
        ends = self._ends[np.searchsorted(self._ends, anchors)]
        if self._mode == "reward":
            kept = rows[:1] if self._first_return else rows
            returns = self._earned[ends + 1] - self._earned[kept]
        else:
            returns = ((anchors <= value_goal_rows) & (value_goal_rows < ends))[None]
        values = vars(batch) | {"actions": batch.actions[:, : self._taken]}
        return OutcomeBatch(**values, outcomes=outcomes, returns_to_go=returns.astype(np.float32))
