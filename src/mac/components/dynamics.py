"""Deterministic action-chunk dynamics: the observation n steps ahead (algorithms.md 1.2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mac.components.part import Loss, Noise, Part, flat
from mac.losses.regression import squared
from mac.nets.mlp import MLP, Init
from mac.types import Batch, Spaces


class Dynamics(Part):
    """f(s, A) = s + MLP(s, A), trained by squared error on dataset chunks."""

    def __init__(
        self,
        spaces: Spaces,
        chunk_length: int,
        hidden_dims: Sequence[int],
        init: Init,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__()
        width, generator = spaces.observation_dim, init.generator("dynamics")
        dims = (width, chunk_length * spaces.action_dim)
        self.dynamics = MLP(dims, hidden_dims, width, generator, layer_norm=layer_norm)

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Observations (B, O) after the chunks (B, n, A)."""
        return observations + self.dynamics(observations, flat(actions))

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Mean over rows and coordinates of (f(s, A) - s')^2."""
        prediction = self(batch.observations, batch.actions)
        value = squared(prediction, batch.next_observations)
        return [Loss("dynamics_loss", value, [self.dynamics])]
