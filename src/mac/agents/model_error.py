"""Dynamics alone, to measure how prediction errors grow with the horizon (algorithms.md 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mac import components as c
from mac.agents.base import Agent, register
from mac.agents.stages import MODEL
from mac.config.schema import ChunkedConfig

if TYPE_CHECKING:
    from torch import Tensor


@register("model_error")
class ModelError(Agent):
    """MAC's dynamics; evaluated by open-loop prediction on held-out windows, never by acting."""

    Config = ChunkedConfig
    stages = (MODEL,)
    acts_with = ("model",)
    evaluator = "model_error"

    def predict(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Observations (L + 1, B, O) predicted open loop from (B, O) under chunks (L, B, n, A)."""
        return c.predict(self.parts["model"], observations, actions)
