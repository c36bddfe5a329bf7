"""The imagination loop: model, acting rule and length give a trajectory (algorithms.md 1.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mac.components.dynamics import Dynamics
from mac.components.select import Acting

Model = Callable[..., Tensor]  # next states (B, O) of states (B, O), chunks (B, n, A) and noise


@dataclass(frozen=True)
class Trajectory:
    """H imagined chunks from each of B states.

    Attributes:
        observations: (H + 1, B, O), from the start to the final state.
        actions: (H, B, n, A).
        goals: (H + 1, B, G), constant along the trajectory.
    """

    observations: Tensor
    actions: Tensor
    goals: Tensor


def imagine(
    model: Model,
    act: Acting,
    start: Tensor,
    goals: Tensor,
    noise: Iterable[Tensor],
    first: Tensor | None = None,
    *,
    model_noise: Sequence[Tensor] = (),
) -> Trajectory:
    """Trajectory of H steps; states are not clipped and rollouts do not stop at success.

    With gradients enabled it is differentiable in whatever the model and the acting rule are.

    Args:
        model: dynamics.
        act: acting rule.
        start: (B, O).
        goals: (B, G).
        noise: (H, ...), what the acting rule uses at each step.
        first: chunks (B, n, A), taken in the first step instead of the acting rule's own.
        model_noise: tensors (H, ...), what a stochastic model uses at each step, in its own order.
    """
    state, states, chunks = start, [start], []
    for step, step_noise in enumerate(noise):
        given = first is not None and step == 0
        chunk = first if given else act(state, goals, step_noise)
        state = model(state, chunk, *(array[step] for array in model_noise))
        chunks.append(chunk)
        states.append(state)
    observations = torch.stack(states)
    return Trajectory(observations, torch.stack(chunks), goals.expand(len(states), *goals.shape))


def predict(model: Dynamics, start: Tensor, actions: Tensor) -> Tensor:
    """Observations (L + 1, B, O) predicted open loop from (B, O) under chunks (L, B, n, A)."""
    states = [start]
    for chunk in actions:
        states.append(model(states[-1], chunk))
    return torch.stack(states)
