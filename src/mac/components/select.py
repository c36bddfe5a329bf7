"""Rejection sampling: the best of N candidate chunks by a score (algorithms.md 1.3)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mac.components.part import Part, flat
from mac.nets.mlp import Scalar


def best_of(candidates: Tensor, scores: Tensor) -> Tensor:
    """Candidates (B, ...) of highest score, first on ties, of (N, B, ...) with scores (N, B)."""
    rows = torch.arange(scores.shape[1], device=scores.device)
    return candidates[scores.argmax(0), rows]


# float32 computes in the parameters' own dtype, so that float64 networks stay float64
PRECISIONS = {"float32": None, "bf16": torch.bfloat16}


class BestOf:
    """Acting rule: N chunks from the behaviour, the critic's favourite."""

    def __init__(self, behaviour: Part, critic: Scalar, precision: str = "float32") -> None:
        self.behaviour, self.critic = behaviour, critic
        self.dtype = PRECISIONS[precision]

    def __call__(self, observations: Tensor, goals: Tensor, noise: Tensor) -> Tensor:
        """Chunks (B, n, A) for (B, O), (B, G) and noise (N, B, n A)."""
        candidates = self.behaviour.sample(observations, goals, noise, self.dtype)
        scores = self.critic(observations, goals, flat(candidates), dtype=self.dtype)
        return best_of(candidates, scores)


Acting = Callable[[Tensor, Tensor, Tensor], Tensor]
