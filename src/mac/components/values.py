"""State value with its slowly following target, and the critic of chunks."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import nn

from mac.components.target import polyak
from mac.nets.mlp import Init, Scalar
from mac.types import Spaces


class Values(nn.Module):
    """V(s, g), its target, and Q(s, g, A)."""

    def __init__(
        self,
        spaces: Spaces,
        chunk_length: int,
        value_hidden_dims: Sequence[int],
        critic_hidden_dims: Sequence[int],
        init: Init,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__()
        dims = (spaces.observation_dim, spaces.goal_dim)
        generator = init.generator("value")
        self.value = Scalar(dims, value_hidden_dims, generator, layer_norm=layer_norm)
        self.target_value = copy.deepcopy(self.value).requires_grad_(False)
        dims, generator = (*dims, chunk_length * spaces.action_dim), init.generator("critic")
        self.critic = Scalar(dims, critic_hidden_dims, generator, layer_norm=layer_norm)

    def follow(self, rate: float) -> None:
        """Polyak step of the target towards V: target <- rate V + (1 - rate) target."""
        polyak(self.target_value, self.value, rate)
