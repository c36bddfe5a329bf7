"""A flow from noise to vectors: the field of velocities, how it is trained, how it is followed."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mac.components.part import Draw, Loss, Noise
from mac.losses.flow import euler, flow_matching
from mac.nets.mlp import MLP, Init


class VectorField(MLP):
    """Velocity v(..., x, t) of points x (D) at times t, given further inputs (algorithms.md 0.6).

    Args:
        in_dims: widths of the inputs before x and t.
        out_dim: D.
        hidden_dims: widths of the hidden layers.
        init: source of the initial parameters.
        flow_steps: K, Euler steps.
        name: distinguishes the parameters, draws and losses of several fields.
        layer_norm: whether the hidden layers are normalised.
    """

    def __init__(
        self,
        in_dims: Sequence[int],
        out_dim: int,
        hidden_dims: Sequence[int],
        init: Init,
        flow_steps: int,
        *,
        name: str = "flow",
        layer_norm: bool = True,
    ) -> None:
        dims, generator = (*in_dims, out_dim, 1), init.generator(name)
        super().__init__(dims, hidden_dims, out_dim, generator, layer_norm=layer_norm)
        self.name, self.out_dim, self.flow_steps = name, out_dim, flow_steps

    def transport(self, noise: Tensor, *inputs: Tensor) -> Tensor:
        """Vectors (..., D), not clipped, to which K Euler steps carry the noise (..., D)."""
        return euler(lambda x, t: self(*inputs, x, t), noise, self.flow_steps)

    def draws(self, batch_size: int) -> dict[str, Draw]:
        """Noise of ``matching``: source points and times."""
        return {
            f"{self.name}_x0": Draw((batch_size, self.out_dim)),
            f"{self.name}_t": Draw((batch_size, 1), "uniform"),
        }

    def matching(self, data: Tensor, noise: Noise, *inputs: Tensor) -> Loss:
        """Flow matching on vectors (B, D)."""
        points, times = noise[f"{self.name}_x0"], noise[f"{self.name}_t"]
        value = flow_matching(lambda x, t: self(*inputs, x, t), data, points, times)
        return Loss(f"{self.name}_loss", value, [self])
