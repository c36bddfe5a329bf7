"""Goals of anchors in goal mode: rows for the value functions and, apart from these, the policy."""

from __future__ import annotations

import numpy as np

from mac.data.goals import Mixture, goal_rows
from mac.data.store import Split
from mac.data.views.anchors import Anchors
from mac.errors import ConfigError


class Hindsight:
    """Draws goal rows by two mixtures; see :mod:`mac.data.goals`.

    Args:
        split: the data.
        discount: per environment step.
        value: mixture of the value functions' goals.
        actor: mixture of the behaviour policy's goals.
    """

    def __init__(
        self, split: Split, discount: float, value: Mixture | None, actor: Mixture | None
    ) -> None:
        if value is None or actor is None:
            raise ConfigError("goal mode needs goal mixtures", key="goals")
        self._mixtures, self._discount = (value, actor), discount
        self._any = Anchors(split, split.lengths)

    def rows(
        self, generator: np.random.Generator, anchors: np.ndarray, ends: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Value and actor goal rows, (B,) each, of anchors (B,) whose trajectories end at (B,)."""
        value, actor = (
            goal_rows(
                mixture,
                generator,
                anchors,
                ends,
                self._discount,
                lambda source, size: self._any.sample(source, size)[0],
            )
            for mixture in self._mixtures
        )
        return value, actor
