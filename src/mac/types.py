"""Records passed between layers; they hold arrays of NumPy or tensors of torch and do nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Batch:
    """Action-chunk transitions.

    B rows, n actions a chunk; O, A, G are the widths of observation, action and goal.

    Attributes:
        observations: (B, O), normalised.
        actions: (B, n, A) in [-1, 1].
        rewards: (B,), reward of the chunk.
        masks: (B,), 0 where bootstrapping must stop.
        next_observations: (B, O), n environment steps later.
        value_goals: (B, G), goals the value functions see; G is 0 where the task has no goal.
        actor_goals: (B, G), goals the behaviour policy sees.
    """

    observations: Any
    actions: Any
    rewards: Any
    masks: Any
    next_observations: Any
    value_goals: Any
    actor_goals: Any

    def map(self, function: Callable[[Any], Any]) -> Batch:
        """Batch whose arrays went through ``function``, for instance to another device."""
        return Batch(*(function(getattr(self, field.name)) for field in fields(self)))


@dataclass(frozen=True)
class Spaces:
    """Widths of what an agent sees and does: observation O, goal G (0 where none), action A."""

    observation_dim: int
    goal_dim: int
    action_dim: int
