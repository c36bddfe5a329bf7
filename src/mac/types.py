"""Records passed between layers; they hold arrays of NumPy or tensors of torch and do nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self


class Record:
    """Base of records whose fields are all arrays."""

    def map(self, function: Callable[[Any], Any]) -> Self:
        """The record whose arrays went through ``function``, for instance to another device."""
        return type(self)(**{name: function(array) for name, array in vars(self).items()})


@dataclass(frozen=True)
class Batch(Record):
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


@dataclass(frozen=True)
class TransitionBatch(Batch):
    """Single steps, n = 1, with what was done next.

    Attributes:
        next_actions: (B, A), action of the next row of the data.
        continues: (B,), 1 where that row is of the same episode, else 0.
    """

    next_actions: Any
    continues: Any


@dataclass(frozen=True)
class SubgoalBatch(Batch):
    """Single actions, n = 1, and the state k steps ahead: the next one; rewards are of k steps.

    Attributes:
        discounts: (B,), discount to the power k.
        value_subgoals: (B, G), goal representation of the next state.
        actor_subgoals: (B, G), of the state at most S steps ahead on the way to the actor goal.
        low_goals: (B, G), of the state S steps ahead, or the trajectory's last.
    """

    discounts: Any
    value_subgoals: Any
    actor_subgoals: Any
    low_goals: Any


@dataclass(frozen=True)
class OutcomeBatch(Batch):
    """First actions of chunks, actions (B, 1, A), and all that follows.

    Attributes:
        outcomes: (B, n, O), the n next states.
        returns_to_go: (1, B), or (n + 1, B) at all rows of the chunk.
    """

    outcomes: Any
    returns_to_go: Any


@dataclass(frozen=True)
class PlanBatch(Record):
    """Windows of a trajectory, a row for each step: action, observation, goal representation.

    Attributes:
        plan: (B, H, A + O + G).
    """

    plan: Any


@dataclass(frozen=True)
class HierarchyBatch(Record):
    """Windows of a trajectory for two levels of planning.

    Attributes:
        high: (B, M, K A + O + G), a row for every K steps: their actions, first state, its goal
            representation.
        low: (B, K + 1, A + O), a row for each step.
    """

    high: Any
    low: Any


@dataclass(frozen=True)
class Spaces:
    """Widths of what an agent sees and does: observation O, goal G (0 where none), action A."""

    observation_dim: int
    goal_dim: int
    action_dim: int
