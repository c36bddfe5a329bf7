"""Flow over the next n observations at once, given a state and first actions (algorithms.md 9)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mac.components.part import Draw, Loss, Noise, Part, flat
from mac.losses.flow import euler, flow_matching
from mac.nets.mlp import MLP, Init
from mac.types import OutcomeBatch, Spaces


class Futures(Part):
    """v(s, a, x, t), x the n next observations one after the other; samples by K Euler steps.

    Args:
        spaces: widths.
        chunk_length: k, given actions.
        outcome_length: n.
        hidden_dims: widths of the hidden layers.
        init: source of the initial parameters.
        flow_steps: K.
        layer_norm: whether hidden layers are normalised.
    """

    def __init__(
        self,
        spaces: Spaces,
        chunk_length: int,
        outcome_length: int,
        hidden_dims: Sequence[int],
        init: Init,
        flow_steps: int,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__()
        self.shape, self.flow_steps = (outcome_length, spaces.observation_dim), flow_steps
        self.width = outcome_length * spaces.observation_dim
        dims = (spaces.observation_dim, chunk_length * spaces.action_dim, self.width, 1)
        generator = init.generator("dynamics")
        self.flow = MLP(dims, hidden_dims, self.width, generator, layer_norm=layer_norm)

    def sample(self, observations: Tensor, actions: Tensor, noise: Tensor) -> Tensor:
        """Observations (..., B, n, O), not clipped, that follow (B, O) and actions (..., B, k, A).

        The noise is (..., B, n O).
        """
        taken = flat(actions)
        vectors = euler(lambda x, t: self.flow(observations, taken, x, t), noise, self.flow_steps)
        return vectors.unflatten(-1, self.shape)

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Source points and times of flow matching."""
        return {
            "future_x0": Draw((batch_size, self.width)),
            "future_t": Draw((batch_size, 1), "uniform"),
        }

    def losses(self, batch: OutcomeBatch, noise: Noise) -> list[Loss]:
        """Flow matching on the observations that followed."""
        value = flow_matching(
            lambda x, t: self.flow(batch.observations, flat(batch.actions), x, t),
            flat(batch.outcomes),
            noise["future_x0"],
            noise["future_t"],
        )
        return [Loss("dynamics_loss", value, [self.flow])]
