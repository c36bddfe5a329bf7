"""Reward and success of a chunk: two heads, and how rollouts read them (algorithms.md 1.2, 1.4)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mac.components.part import Loss, Noise, Part, flat
from mac.losses.regression import binary_cross_entropy, squared
from mac.nets.mlp import Init, Scalar
from mac.types import Batch, Spaces


class Outcome(Part):
    """Success classifier c(s, g, A) and reward regressor r(s, g, A).

    With goals (G > 0) a rollout's reward follows from the classifier: success - 1, or success where
    ``negative`` is False. Without goals it is the regressor's output. The mask is 0 after a
    predicted success in both cases.
    """

    def __init__(
        self,
        spaces: Spaces,
        chunk_length: int,
        hidden_dims: Sequence[int],
        init: Init,
        *,
        layer_norm: bool = True,
        negative: bool = True,
    ) -> None:
        super().__init__()
        dims = (spaces.observation_dim, spaces.goal_dim, chunk_length * spaces.action_dim)
        self.success, self.reward = (
            Scalar(dims, hidden_dims, init.generator(name), layer_norm=layer_norm)
            for name in ("success", "reward")
        )
        self.negative = negative
        self.goal_reached = spaces.goal_dim > 0

    def forward(
        self, observations: Tensor, goals: Tensor, actions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Rewards and masks (...) of chunks (..., n, A) at (..., O) with goals (..., G)."""
        inputs = (observations, goals, flat(actions))
        # sigmoid(c) > 0.5 exactly where c > 0
        success = (self.success(*inputs) > 0.0).to(observations.dtype)
        if self.goal_reached:
            rewards = success - 1.0 if self.negative else success
        else:
            rewards = self.reward(*inputs)
        return rewards, 1.0 - success

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Cross-entropy of success against 1 - mask; squared error of reward, with goals too."""
        inputs = (batch.observations, batch.value_goals, flat(batch.actions))
        success = binary_cross_entropy(self.success(*inputs), 1.0 - batch.masks)
        reward = squared(self.reward(*inputs), batch.rewards)
        return [
            Loss("success_loss", success, [self.success]),
            Loss("reward_loss", reward, [self.reward]),
        ]
