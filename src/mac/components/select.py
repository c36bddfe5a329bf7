"""Rejection sampling: the best of N candidate chunks by a score (algorithms.md 1.3)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mac.components.part import Part, flat


def best_of(candidates: Tensor, scores: Tensor) -> Tensor:
    """Candidates (B, ...) of highest score, first on ties, of (N, B, ...) with scores (N, B)."""
    rows = torch.arange(scores.shape[1], device=scores.device)
    return candidates[scores.argmax(0), rows]


class BestOf:
    """Acting rule: N chunks from the behaviour, the critic's favourite.

    Args:
        behaviour: samples chunks as those of :mod:`mac.components.behaviour` do.
        critic: scores (...) of states, goals and chunk vectors (..., n A).
    """

    def __init__(self, behaviour: Part, critic: Callable[..., Tensor]) -> None:
        self.behaviour, self.critic = behaviour, critic

    def propose(self, observations: Tensor, goals: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Candidates (N, B, n, A) and scores (N, B) for (B, O), (B, G) and noise (N, B, n A)."""
        candidates = self.behaviour.sample(observations, goals, noise)
        return candidates, self.critic(observations, goals, flat(candidates))

    def __call__(self, observations: Tensor, goals: Tensor, noise: Tensor) -> Tensor:
        """Chunks (B, n, A) for (B, O), (B, G) and noise (N, B, n A)."""
        return best_of(*self.propose(observations, goals, noise))


Acting = Callable[[Tensor, Tensor, Tensor], Tensor]
