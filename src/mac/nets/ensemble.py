"""Independent copies of an MLP with the same inputs, computed as one batched product a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mac.nets.dense import LAYER_NORM_EPS, gelu, join
from mac.nets.mlp import glorot_uniform


class _Trunk(nn.Module):
    """Hidden layers of all members; parameters as in :class:`mac.nets.mlp.Trunk`, members first."""

    def __init__(
        self,
        in_dim: int,
        hidden_dims: Sequence[int],
        kernel: Callable[[int, int], nn.Parameter],
        members: int,
        *,
        layer_norm: bool,
    ) -> None:
        super().__init__()
        widths = [in_dim, *hidden_dims]

        def vectors(value: float) -> nn.ParameterList:
            return nn.ParameterList(
                [nn.Parameter(torch.full((members, j), value)) for j in hidden_dims]
            )

        pairs = zip(widths[1:], widths[:-1], strict=True)
        self.weights = nn.ParameterList([kernel(j, i) for j, i in pairs])
        self.biases = vectors(0.0)
        self.scales = vectors(1.0) if layer_norm else nn.ParameterList()
        self.shifts = vectors(0.0) if layer_norm else nn.ParameterList()

    def forward(self, x: Tensor) -> Tensor:
        """Features (E, rows, J) of inputs (E, rows, I)."""
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = gelu(torch.baddbmm(bias[:, None], x, weight.mT))
            if len(self.scales):
                x = F.layer_norm(x, x.shape[-1:], eps=LAYER_NORM_EPS)
                x = torch.addcmul(self.shifts[index][:, None], x, self.scales[index][:, None])
        return x


class Ensemble(nn.Module):
    """E MLPs: hidden layers and a plain affine output. Inputs are concatenated in the order given.

    Args:
        in_dims: widths of the inputs.
        hidden_dims: widths of the hidden layers.
        out_dim: width of an output.
        members: E.
        generator: source of the initial parameters, each member's its own.
        layer_norm: whether the hidden layers are normalised.
    """

    def __init__(
        self,
        in_dims: Sequence[int],
        hidden_dims: Sequence[int],
        out_dim: int,
        members: int,
        generator: torch.Generator,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__()

        def kernel(out: int, inner: int) -> nn.Parameter:
            each = [glorot_uniform(out, inner, generator).data for _ in range(members)]
            return nn.Parameter(torch.stack(each))

        self.members = members
        self.trunk = _Trunk(sum(in_dims), hidden_dims, kernel, members, layer_norm=layer_norm)
        self.weight = kernel(out_dim, hidden_dims[-1])
        self.bias = nn.Parameter(torch.zeros(members, out_dim))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Outputs (E, ..., out). Leading axes of earlier inputs broadcast to the last input's."""
        x = join(inputs)
        rows = x.flatten(0, -2).expand(self.members, -1, -1)
        outputs = torch.baddbmm(self.bias[:, None], self.trunk(rows), self.weight.mT)
        return outputs.unflatten(1, x.shape[:-1])


class Scalars(Ensemble):
    """Ensemble of single outputs, their axis squeezed: (E, ...)."""

    def __init__(
        self,
        in_dims: Sequence[int],
        hidden_dims: Sequence[int],
        members: int,
        generator: torch.Generator,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__(in_dims, hidden_dims, 1, members, generator, layer_norm=layer_norm)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Outputs (E, ...)."""
        return super().forward(*inputs).squeeze(-1)
