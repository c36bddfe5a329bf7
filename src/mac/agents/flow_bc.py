"""Flow behaviour cloning: MAC's behaviour policy without its rejection step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from mac.agents.base import Agent, register
from mac.agents.stages import BEHAVIOUR
from mac.config.schema import ChunkedConfig, Impossible

if TYPE_CHECKING:
    from torch import Tensor


class Config(ChunkedConfig):
    """MAC's keys and which of the two policies acts."""

    act_by: Literal["onestep", "flow"] = Field(
        "onestep", description="one sample of the distilled policy, or of the flow by Euler steps"
    )

    @model_validator(mode="after")
    def _two_policies_to_choose_from(self) -> Self:
        policy = self.behaviour.policy
        if self.act_by == "flow" and policy != "distilled_flow":
            raise Impossible("act_by", f"flow needs behaviour.policy: distilled_flow, not {policy}")
        return self


@register("flow_bc")
class FlowBC(Agent):
    """One sample of MAC's distilled behaviour policy; shares MAC's behaviour stage."""

    Config = Config
    stages = (BEHAVIOUR,)
    acts_with = ("behaviour",)
    act_reads = ("act_by",)

    @property
    def act_noise(self) -> dict[str, tuple[int, ...]]:
        """One noise vector."""
        return {"z": (self.config.chunk_length * self.spaces.action_dim,)}

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """One sample; see :meth:`Agent.act`."""
        behaviour = self.parts["behaviour"]
        policy = behaviour.teacher if self.config.act_by == "flow" else behaviour
        return policy.sample(observations, goals, noise["z"])
