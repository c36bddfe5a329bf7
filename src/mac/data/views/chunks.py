"""Action chunks: n actions, the states around them, reward, mask and goals (data.md 5.4, 5.5)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from mac.data.goals import Mixture
from mac.data.normalize import Normalizer
from mac.data.store import Split
from mac.data.views.anchors import Anchors
from mac.data.views.hindsight import Hindsight
from mac.data.views.view import View
from mac.errors import ConfigError, DataError
from mac.types import Batch


class Chunks(View):
    """Action chunks of n steps with the state before and after, reward, mask and goals.

    Reward mode: the reward is the mean of the n discounted task rewards and the mask is always 1
    [F]. Goal mode: a chunk succeeds when its value goal is among rows i … i + n - 1; the mask is 0
    then and the reward is 0, otherwise -1 (with ``negative`` off: 1 and 0).

    Args:
        split: the data.
        normalizer: of states and goals.
        chunk_length: n, environment steps.
        discount: per environment step.
        mode: ``reward`` or ``goal``.
        task: 1 …, in reward mode.
        value_goals: mixture of the value functions' goals, in goal mode.
        actor_goals: mixture of the behaviour policy's goals, in goal mode.
        negative: goal mode's reward is -1 until success.
        chunk_reward: ``mean`` [F] or ``sum`` [C] of the discounted rewards.
        task_masks: reward mode's mask is 0 when any of the n states solves the task [C].
        all_anchors: use the two starts per episode that [F] leaves out [C].
    """

    def __init__(
        self,
        split: Split,
        normalizer: Normalizer,
        chunk_length: int,
        discount: float,
        mode: str,
        task: int | None = None,
        *,
        value_goals: Mixture | None = None,
        actor_goals: Mixture | None = None,
        negative: bool = True,
        chunk_reward: str = "mean",
        task_masks: bool = False,
        all_anchors: bool = False,
    ) -> None:
        self._split, self._normalizer = split, normalizer.at(split.place)
        self._mode = mode
        self._negative, self._task_masks = negative, task_masks
        if chunk_length < 1:
            raise ConfigError("too small", key="chunk_length", found=chunk_length, expected=">= 1")
        if chunk_reward not in ("mean", "sum"):
            raise ConfigError(
                "unknown", key="chunk_reward", found=chunk_reward, expected="mean or sum"
            )
        if mode == "reward":
            tasks = len(split.rewards)
            if task is None or not 1 <= task <= tasks:
                raise ConfigError("no such task", key="task", found=task, expected=f"1 to {tasks}")
            self._rewards, self._masks = split.rewards[task - 1], split.masks[task - 1]
        elif mode == "goal":
            self._goals = Hindsight(split, discount, value_goals, actor_goals)
        else:
            raise ConfigError("unknown", key="mode", found=mode, expected="reward or goal")
        self._offsets = np.arange(chunk_length)
        weights = discount ** np.arange(chunk_length, dtype=np.float64)
        self._weights = split.place.array(
            weights / chunk_length if chunk_reward == "mean" else weights
        )
        self.anchors = Anchors(split, split.lengths - chunk_length + (1 if all_anchors else -1))
        if len(self.anchors) == 0:
            raise DataError(
                "no episode is long enough for a chunk",
                key="chunk_length",
                found=chunk_length,
                expected=f"at most {int(split.lengths.max()) - 2}",
            )

    @classmethod
    def configured(
        cls, config: Any, split: Split, normalizer: Normalizer, task: int | None
    ) -> Self:
        """The view that an agent's configuration asks for."""
        return cls(split, normalizer, mode=config.mode, task=task, **cls.options(config))

    @staticmethod
    def options(config: Any) -> dict[str, Any]:
        """What a configuration says of the view's arguments."""
        return {
            "chunk_length": config.chunk_length,
            "discount": config.discount,
            "value_goals": config.goals.value,
            "actor_goals": config.goals.actor,
            "negative": config.goals.negative,
            "chunk_reward": config.chunk_reward,
            "task_masks": config.task_masks,
            "all_anchors": config.data.all_anchors,
        }

    def __len__(self) -> int:
        return len(self.anchors)

    def sample(self, generator: np.random.Generator, batch_size: int) -> Batch:
        """Batch of ``batch_size`` chunks at uniform anchors; all draws come from ``generator``."""
        anchors, ends = self.anchors.sample(generator, batch_size)
        if self._mode == "reward":
            return self.batch(anchors)
        return self.batch(anchors, *self._goals.rows(generator, anchors, ends))

    def batch(
        self,
        anchors: np.ndarray,
        value_goal_rows: np.ndarray | None = None,
        actor_goal_rows: np.ndarray | None = None,
    ) -> Batch:
        """Batch at given rows.

        Args:
            anchors: (B,) start rows i.
            value_goal_rows: (B,) rows of the value goals, in goal mode.
            actor_goal_rows: (B,) rows of the actor goals, in goal mode.
        """
        split, length = self._split, len(self._offsets)
        rows = anchors[:, None] + self._offsets
        if self._mode == "reward":
            # Added up one after the other in float64: everywhere the same bits.
            rewards = split.place.single(sum((self._rewards[rows] * self._weights).T))
            masks = np.ones(len(anchors), np.float32)
            if self._task_masks:
                masks = self._masks[rows].prod(axis=1)  # each is 0 or 1
            value_goals = actor_goals = np.zeros((len(anchors), 0), np.float32)
        else:
            success = (anchors <= value_goal_rows) & (value_goal_rows < anchors + length)
            rewards = success.astype(np.float32) - self._negative
            masks = (~success).astype(np.float32)
            goals = split.goals[np.stack([value_goal_rows, actor_goal_rows])]
            value_goals, actor_goals = self._normalizer.goals(goals)
        states = split.observations[np.stack([anchors, anchors + length])]  # read at once
        observations, next_observations = self._normalizer.observations(states)
        return Batch(
            observations=observations,
            actions=split.actions[rows],
            rewards=rewards,
            masks=masks,
            next_observations=next_observations,
            value_goals=value_goals,
            actor_goals=actor_goals,
        )
