"""Losses of policies that critics improve."""

from __future__ import annotations

from torch import Tensor


def ascent(scores: Tensor, *, normalise: bool = True, margin: float = 0.0) -> Tensor:
    """Mean of -Q, divided by the mean |Q| + ``margin`` as a constant where ``normalise``.

    Args:
        scores: Q (...) of the policy's own actions.
        normalise: make the loss independent of the scale of rewards.
        margin: added to the divisor.
    """
    loss = -scores.mean()
    return loss / (scores.abs().mean() + margin).detach() if normalise else loss
