"""Configuration models of the agents beside MAC: one stage each, mostly single actions."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mac.config.schema import (
    AgentConfig,
    BootstrapConfig,
    Count,
    Impossible,
    Model,
    NetworkConfig,
    TargetConfig,
)


class GaussianEnsembleConfig(NetworkConfig):
    """Dynamics that are an ensemble of Gaussians."""

    members: Count = Field(7, description="E, models")


class ImaginedConfig(Model):
    """Imagined transitions that are kept and learnt from beside real ones."""

    batch_size: Count = Field(512, description="imagined rows of a batch, beside the real ones")
    rollout_length: Count = Field(5, description="H, imagined steps")
    starts: Count = Field(50_000, description="real states from which a refresh rolls out")
    retain: Count = Field(5, description="refreshes that are kept; a new one replaces the oldest")
    every: Count = Field(1000, description="updates between refreshes")


class FollowedConfig(NetworkConfig, TargetConfig):
    """A critic of single actions that a target follows."""


class CriticConfig(NetworkConfig, BootstrapConfig):
    """Value functions and critics of single actions."""

    aggregation: Literal["min", "mean"] = Field(
        "min", description="of the critics' values where one is needed"
    )


class EnsembleConfig(CriticConfig):
    """Critics whose number may be chosen."""

    members: Count = Field(2, description="E, critics")


class SquaredCriticConfig(CriticConfig):
    """Value functions and critics that know one loss."""

    loss: Literal["squared"] = Field("squared", description="how values are read and fitted")


class ActorConfig(NetworkConfig):
    """Policy of single actions."""


class FlowActorConfig(ActorConfig):
    """Policy of single actions that is a flow."""

    flow_steps: Count = Field(10, description="K, Euler steps of the flow")


class SoftActorConfig(ActorConfig):
    """Gaussian policy that is paid for its entropy."""

    squash: bool = Field(True, description="an action is the tanh of a sample [F]")
    state_dependent_std: bool = Field(
        True, description="the spread depends on the state [F]; one free vector otherwise"
    )
    target_entropy: float | None = Field(
        None, description="nats; None for -target_entropy_multiplier an action coordinate [F]"
    )
    target_entropy_multiplier: float = Field(0.5, description="nats an action coordinate")


class DiffusionActorConfig(ActorConfig):
    """Policy of single actions that is a diffusion; widths are those of residual blocks."""

    diffusion_steps: Count = Field(5, description="T, steps from noise to an action")
    dropout: float = Field(0.1, ge=0.0, lt=1.0, description="share dropped before each block")
    time_dims: Annotated[tuple[Count, Count, Count], Field(strict=False)] = Field(
        (64, 128, 128), description="features of the time, widths of the two layers on them"
    )
    average_rate: float = Field(
        0.001, gt=0.0, le=1.0, description="rate at which the weights that sample follow"
    )

    @model_validator(mode="after")
    def _features_come_in_pairs(self) -> Self:
        if self.time_dims[0] % 2:
            raise Impossible("time_dims", f"{self.time_dims[0]} features are no cosines and sines")
        return self


class StepConfig(AgentConfig):
    """Configuration of an agent that acts one step at a time."""

    @property
    def chunk_length(self) -> int:
        """A single action."""
        return 1

    @property
    def chunk_reward(self) -> str:
        """Of a single reward, whose mean and sum are the same."""
        return "sum"


class WholeConfig(AgentConfig):
    """Configuration of an agent of one stage, ``agent``: its networks learn together."""

    checkpoint_every: Count | None = Field(
        None, description="updates between evaluated checkpoints; None for the last only"
    )


class BaselineConfig(StepConfig, WholeConfig):
    """Configuration of an agent of one stage that acts one step at a time."""


class SubgoalConfig(BaselineConfig):
    """Configuration of an agent that learns from several steps at once, in goal mode."""

    subgoal_steps: Count = Field(25, description="S, environment steps, at most, of one backup")
    exact_success: bool = Field(
        False,
        description="[C] success means that the goal was reached; [F] also that the trajectory "
        "ended before S steps",
    )


class ImplicitConfig(BaselineConfig):
    """Configuration of an agent of implicit Q-learning, whatever its policy."""

    value: SquaredCriticConfig = SquaredCriticConfig()
    expectile: float = Field(0.9, gt=0.0, lt=1.0, description="kappa, of the value regression")
