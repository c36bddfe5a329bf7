"""One gradient step: each loss differentiated for the modules it names, then targets, then Adam."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mac.components.part import Draw, Part
from mac.config.schema import OptimiserConfig
from mac.errors import ShapeError
from mac.training.optimiser import Adam
from mac.types import Batch


def learning_rate(config: OptimiserConfig, step: int, steps: int) -> float:
    """Rate of the update from step ``step`` to ``step + 1`` out of ``steps``."""
    progress = min(step / max(steps, 1), 1.0)
    factor = {
        "constant": 1.0,
        "linear": 1.0 - progress,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * progress)),
    }[config.decay]
    return config.learning_rate * factor


def adam(parts: Sequence[Part], config: OptimiserConfig) -> Adam:
    """Adam over the trainable parameters of some parts."""
    return Adam([p for part in parts for p in part.parameters() if p.requires_grad], config)


class Update:
    """The training step of some parts: a function of parameters, batch and noise alone.

    All forward passes see the parameters from before the step. Target networks move towards those
    too: the original lags by one step (algorithms.md 0.2), and so do we unless ``lagged_target`` is
    False.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        optimiser: Adam,
        *,
        lagged_target: bool = True,
    ) -> None:
        self.parts, self.optimiser, self.lagged_target = list(parts), optimiser, lagged_target

    def draws(self, batch_size: int) -> dict[str, Draw]:
        """Noise arrays one step needs."""
        draws: dict[str, Draw] = {}
        for part in self.parts:
            for name, draw in part.noise(batch_size).items():
                if name in draws:
                    raise ShapeError("two parts draw noise under one name", key=name)
                draws[name] = draw
        return draws

    def gradients(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sets each trained parameter's ``.grad`` and returns metrics, scalar tensors by name."""
        metrics: dict[str, Tensor] = {}
        for part in self.parts:
            for loss in part.losses(batch, noise):
                parameters = [p for module in loss.trains for p in module.parameters()]
                gradients = torch.autograd.grad(loss.value, parameters)
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.grad = gradient
                metrics[loss.name] = loss.value.detach()
                metrics.update({name: value.detach() for name, value in loss.metrics.items()})
        return metrics

    def __call__(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One step; returns metrics from before it."""
        metrics = self.gradients(batch, noise)
        if self.lagged_target:
            self.follow()
        self.optimiser.step()
        if not self.lagged_target:
            self.follow()
        return metrics

    def follow(self) -> None:
        """Moves all target networks."""
        for part in self.parts:
            part.follow()
