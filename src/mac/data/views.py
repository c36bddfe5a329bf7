"""What agents train on: indexing a split into action chunks and windows of chunks.

Within an episode of T transitions (rows 0 … T) a trajectory is rows 0 … T - 1, as in the original,
whose terminal flags stand in rows T - 1 and T:

    row        0 1 2 …          T-1-n      T-1  T
    anchors    ^ ^ ^ …  ^T-2-n                        [F]: two starts with complete chunks are left
    out a chunk    i … i+n-1, next state in row i+n
"""

from __future__ import annotations

import numpy as np

from mac.data.goals import Mixture, goal_rows
from mac.data.normalize import Normalizer
from mac.data.store import Split
from mac.errors import ConfigError, DataError
from mac.types import Batch


class Anchors:
    """Start rows that leave room for a span, drawn uniformly over all episodes.

    Args:
        split: the data.
        counts: (episodes,) admissible starts of each episode: its rows 0 … count - 1.
    """

    def __init__(self, split: Split, counts: np.ndarray) -> None:
        self._starts = np.asarray(split.starts)
        self._ends = self._starts + split.lengths - 1
        self._cumulative = np.cumsum(np.maximum(counts, 0))
        self._before = self._cumulative - np.maximum(counts, 0)

    def __len__(self) -> int:
        return int(self._cumulative[-1])

    def rows(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows (B,) of the anchors so numbered (B,), and the ends (B,) of their trajectories."""
        episodes = np.searchsorted(self._cumulative, numbers, side="right")
        return self._starts[episodes] + numbers - self._before[episodes], self._ends[episodes]

    def sample(
        self, generator: np.random.Generator, batch_size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Uniform anchors with replacement: rows (B,) and ends (B,)."""
        return self.rows(generator.integers(len(self), size=batch_size))

    def all(self) -> np.ndarray:
        """Every anchor in order."""
        return self.rows(np.arange(len(self)))[0]


class Chunks:
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
        self._split, self._normalizer = split, normalizer
        self._discount, self._mode = discount, mode
        self._value_goals, self._actor_goals = value_goals, actor_goals
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
            if value_goals is None or actor_goals is None:
                raise ConfigError("goal mode needs goal mixtures", key="goals")
        else:
            raise ConfigError("unknown", key="mode", found=mode, expected="reward or goal")
        self._offsets = np.arange(chunk_length)
        self._weights = discount ** np.arange(chunk_length, dtype=np.float64)
        if chunk_reward == "mean":
            self._weights /= chunk_length
        self.anchors = Anchors(split, split.lengths - chunk_length + (1 if all_anchors else -1))
        self._any = Anchors(split, split.lengths)
        if len(self.anchors) == 0:
            raise DataError(
                "no episode is long enough for a chunk",
                key="chunk_length",
                found=chunk_length,
                expected=f"at most {int(split.lengths.max()) - 2}",
            )

    def __len__(self) -> int:
        return len(self.anchors)

    def sample(self, generator: np.random.Generator, batch_size: int) -> Batch:
        """Batch of ``batch_size`` chunks at uniform anchors; all draws come from ``generator``."""
        anchors, ends = self.anchors.sample(generator, batch_size)
        if self._mode == "reward":
            return self.batch(anchors)
        return self.batch(
            anchors,
            self._draw(self._value_goals, generator, anchors, ends),
            self._draw(self._actor_goals, generator, anchors, ends),
        )

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
            rewards = self._rewards[rows] @ self._weights
            masks = self._masks[rows].min(axis=1) if self._task_masks else np.ones(len(anchors))
            value_goals = actor_goals = np.zeros((len(anchors), 0), np.float32)
        else:
            success = (anchors <= value_goal_rows) & (value_goal_rows < anchors + length)
            rewards = success - 1.0 if self._negative else success * 1.0
            masks = 1.0 - success
            value_goals = self._normalizer.goals(split.goals[value_goal_rows])
            actor_goals = self._normalizer.goals(split.goals[actor_goal_rows])
        return Batch(
            observations=self._normalizer.observations(split.observations[anchors]),
            actions=split.actions[rows],
            rewards=rewards.astype(np.float32),
            masks=masks.astype(np.float32),
            next_observations=self._normalizer.observations(split.observations[anchors + length]),
            value_goals=value_goals,
            actor_goals=actor_goals,
        )

    def _draw(
        self,
        mixture: Mixture,
        generator: np.random.Generator,
        anchors: np.ndarray,
        ends: np.ndarray,
    ) -> np.ndarray:
        return goal_rows(
            mixture,
            generator,
            anchors,
            ends,
            self._discount,
            lambda source, size: self._any.sample(source, size)[0],
        )


class Windows:
    """Windows of L consecutive chunks of one trajectory, for the model's error by horizon.

    The released assembly mixes time and trajectories; this is its intended form: row i + n·L is
    still in the trajectory of row i.

    Args:
        split: the data.
        normalizer: of states.
        chunk_length: n, environment steps.
        chunks: L.
    """

    def __init__(
        self, split: Split, normalizer: Normalizer, chunk_length: int, chunks: int
    ) -> None:
        self._split, self._normalizer = split, normalizer
        self._chunks, self._length = chunks, chunk_length
        self.anchors = Anchors(split, split.lengths - chunk_length * chunks)
        if len(self.anchors) == 0:
            raise DataError(
                "no episode is long enough for a window",
                found=f"{chunks} chunks of {chunk_length} steps",
                expected=f"at most {int(split.lengths.max()) - 1} steps",
            )

    def sample(
        self, generator: np.random.Generator, batch_size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Windows at uniform anchors: observations (L + 1, B, O) and actions (L, B, n, A)."""
        return self.batch(self.anchors.sample(generator, batch_size)[0])

    def batch(self, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Windows starting at rows ``anchors`` (B,)."""
        first = anchors + self._length * np.arange(self._chunks + 1)[:, None]
        rows = first[:-1, :, None] + np.arange(self._length)
        observations = self._normalizer.observations(self._split.observations[first])
        return observations, self._split.actions[rows]
