"""First actions, every state of the chunk that follows, and returns to go (data.md 5.4, 5.5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from mac.data.store import Split
from mac.data.views.chunks import Chunks
from mac.types import OutcomeBatch


class Outcomes(Chunks):
    """Chunks of which the first action, the n next states and the return to go are kept.

    The return to go is, in goal mode, whether the value goal lies ahead in the trajectory, (1, B);
    in reward mode the undiscounted sum of rewards to the trajectory's end, at all n + 1 rows of the
    chunk [F], (n + 1, B).
    """

    def __init__(self, split: Split, *arguments: Any, **options: Any) -> None:
        super().__init__(split, *arguments, **options)
        self._ends = np.asarray(split.starts) + split.lengths - 1
        if self._mode == "reward":
            self._earned = np.append(0.0, np.cumsum(self._rewards, dtype=np.float64))

    def batch(
        self,
        anchors: np.ndarray,
        value_goal_rows: np.ndarray | None = None,
        actor_goal_rows: np.ndarray | None = None,
    ) -> OutcomeBatch:
        """Batch at given rows; see :meth:`Chunks.batch`."""
        batch = super().batch(anchors, value_goal_rows, actor_goal_rows)
        rows = anchors[:, None] + np.append(self._offsets, len(self._offsets))
        outcomes = self._normalizer.observations(self._split.observations[rows[:, 1:]])
        ends = self._ends[np.searchsorted(self._ends, anchors)]
        if self._mode == "reward":
            returns = (self._earned[ends + 1][:, None] - self._earned[rows]).T
        else:
            returns = ((anchors <= value_goal_rows) & (value_goal_rows < ends))[None]
        values = vars(batch) | {"actions": batch.actions[:, :1]}
        return OutcomeBatch(**values, outcomes=outcomes, returns_to_go=returns.astype(np.float32))
