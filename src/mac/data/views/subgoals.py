"""Steps to a state k steps ahead, at most S, on the way to a goal (data.md 5.3)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from mac.data.goals import Mixture
from mac.data.normalize import Normalizer
from mac.data.store import Split
from mac.data.views.anchors import Anchors
from mac.data.views.hindsight import Hindsight
from mac.data.views.view import View
from mac.types import SubgoalBatch


class Subgoals(View):
    """k = min(S, steps left in the trajectory), less where the value goal lies nearer.

    Fewer than S steps count as success [F]: also where the trajectory just ends, whatever the goal.
    ``exact_success`` asks for the goal instead [C].

    Args:
        split: the data.
        normalizer: of states and goals.
        subgoal_steps: S, environment steps.
        discount: per environment step.
        value_goals: mixture of the value functions' goals.
        actor_goals: mixture of the policies' goals.
        negative: -1 a step until success instead of 1 at success, discounted to the anchor.
        exact_success: success means that the state k steps ahead is the goal [C].
    """

    def __init__(
        self,
        split: Split,
        normalizer: Normalizer,
        subgoal_steps: int,
        discount: float,
        *,
        value_goals: Mixture,
        actor_goals: Mixture,
        negative: bool = True,
        exact_success: bool = False,
    ) -> None:
        self._split, self._normalizer = split, normalizer.at(split.place)
        self._steps, self._discount = subgoal_steps, discount
        self._negative, self._exact = negative, exact_success
        self.anchors = Anchors(split, split.lengths)
        self._goals = Hindsight(split, discount, value_goals, actor_goals)

    @classmethod
    def configured(
        cls, config: Any, split: Split, normalizer: Normalizer, task: int | None
    ) -> Self:
        """The view that an agent's configuration asks for."""
        return cls(
            split,
            normalizer,
            config.subgoal_steps,
            config.discount,
            value_goals=config.goals.value,
            actor_goals=config.goals.actor,
            negative=config.goals.negative,
            exact_success=config.exact_success,
        )

    def __len__(self) -> int:
        return len(self.anchors)

    def sample(self, generator: np.random.Generator, batch_size: int) -> SubgoalBatch:
        """Batch at ``batch_size`` uniform anchors; all draws come from ``generator``."""
        anchors, ends = self.anchors.sample(generator, batch_size)
        return self.batch(anchors, ends, *self._goals.rows(generator, anchors, ends))

    def batch(
        self,
        anchors: np.ndarray,
        ends: np.ndarray,
        value_goal_rows: np.ndarray,
        actor_goal_rows: np.ndarray,
    ) -> SubgoalBatch:
        """Batch at rows (B,) of trajectories that end at rows (B,), with goals at rows (B,)."""
        split, transform = self._split, self._normalizer
        ahead = np.minimum(self._steps, ends - anchors)

        def until(goal_rows: np.ndarray) -> np.ndarray:
            away = goal_rows - anchors
            return np.where((away >= 0) & (away < ahead), away, ahead)

        def goals(rows: np.ndarray) -> np.ndarray:
            return transform.goals(split.goals[rows])

        steps = until(value_goal_rows)
        reached, low = anchors + steps, anchors + ahead
        success = value_goal_rows == reached if self._exact else steps < self._steps
        discounts = self._discount**steps
        rewards = -(1 - discounts) / (1 - self._discount) if self._negative else discounts * success
        return SubgoalBatch(
            observations=transform.observations(split.observations[anchors]),
            actions=split.actions[anchors][:, None],
            rewards=rewards.astype(np.float32),
            masks=(1.0 - success).astype(np.float32),
            next_observations=transform.observations(split.observations[reached]),
            value_goals=goals(value_goal_rows),
            actor_goals=goals(actor_goal_rows),
            discounts=discounts.astype(np.float32),
            value_subgoals=goals(reached),
            actor_subgoals=goals(anchors + until(actor_goal_rows)),
            low_goals=goals(low),
        )
