"""Single steps: what agents without action chunks train on (data.md 5.2, 5.6, 5.8)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from mac.data.normalize import Normalizer
from mac.data.store import Split
from mac.data.views.chunks import Chunks
from mac.types import Batch, TransitionBatch


class Transitions(Chunks):
    """Chunks of one step, with the task's own masks in reward mode.

    In goal mode every step is drawn; in reward mode the last two of each episode are left out [F]
    unless ``all_anchors``, as for chunks.
    """

    @classmethod
    def configured(
        cls, config: Any, split: Split, normalizer: Normalizer, task: int | None
    ) -> Self:
        """The view that an agent's configuration asks for."""
        return cls(
            split,
            normalizer,
            1,
            config.discount,
            config.mode,
            task,
            value_goals=config.goals.value,
            actor_goals=config.goals.actor,
            negative=config.goals.negative,
            task_masks=True,
            all_anchors=cls.every_step(config),
        )

    @staticmethod
    def every_step(config: Any) -> bool:
        """Whether the last two steps of an episode are drawn too."""
        return config.mode == "goal" or config.data.all_anchors


class Steps(Transitions):
    """Every step of every episode, with the action of the next row of the data.

    At an episode's end that is the next episode's first action, and at the very end the last action
    itself [F]; a mask of 0 hides it where the task is solved there.
    """

    @staticmethod
    def every_step(config: Any) -> bool:
        """All of them."""
        return True

    def __init__(self, split: Split, *arguments: Any, **options: Any) -> None:
        super().__init__(split, *arguments, **options)
        ends = np.asarray(split.starts) + split.lengths - 1
        self._ends, self._following = ends, np.append(split.starts[1:], ends[-1:])

    def batch(
        self,
        anchors: np.ndarray,
        value_goal_rows: np.ndarray | None = None,
        actor_goal_rows: np.ndarray | None = None,
    ) -> Batch:
        """Batch at given rows; see :meth:`Chunks.batch`."""
        batch = super().batch(anchors, value_goal_rows, actor_goal_rows)
        episodes = np.searchsorted(self._ends, anchors)
        last = anchors == self._ends[episodes]
        rows = np.where(last, self._following[episodes], anchors + 1)
        return TransitionBatch(
            **vars(batch),
            next_actions=self._split.actions[rows],
            continues=(~last).astype(np.float32),
        )
