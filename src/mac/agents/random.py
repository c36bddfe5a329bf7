"""Uniformly random actions: the floor that every agent must beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mac.agents.base import Agent, register
from mac.config.baselines import StepConfig

if TYPE_CHECKING:
    from torch import Tensor


@register("random")
class Random(Agent):
    """Draws each action uniformly from [-1, 1]; learns nothing."""

    Config = StepConfig

    @property
    def act_noise(self) -> dict[str, tuple[int, ...]]:
        """One noise vector."""
        return {"z": (self.spaces.action_dim,)}

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """The noise's quantiles, stretched to [-1, 1]: erf(z / sqrt 2) of a normal z is uniform."""
        return (noise["z"] * 0.5**0.5).erf()[:, None]
