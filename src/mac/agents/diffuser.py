"""Diffuser: a plan is a trajectory sampled by denoising; its actions are executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from mac import components as c
from mac.agents.base import Agent, Stage, register
from mac.config.baselines import BaselineConfig
from mac.config.schema import Count, Fraction, Impossible, Model, Widths
from mac.nets.unet_sizes import misfit, products

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Part
    from mac.types import Spaces

Kernels = Annotated[tuple[Annotated[int, Field(ge=3, le=4)], ...], Field(strict=False)]


class PlannerConfig(Model):
    """Size and training of one diffusion model of trajectories (algorithms.md 15)."""

    rows: Annotated[int, Field(ge=2)] = Field(128, description="H, rows of a window")
    hidden_dims: Widths = Field((32, 128, 256), description="widths of the U-Net's levels")
    kernels_down: Kernels = Field((3, 3), description="of strided convolutions, first used first")
    kernels_up: Kernels = Field((4, 4), description="of transposed convolutions, deepest first")
    diffusion_steps: Count = Field(64, description="T")
    action_weight: float = Field(
        1.0, gt=0.0, description="weight of the first row's actions in the loss"
    )
    clip: bool = Field(True, description="predicted data are clipped to [-1, 1] when sampling")
    average_decay: Fraction = Field(0.995, description="of the averaged weights, which sample")
    average_every: Count = Field(10, description="updates from one step of the average to the next")
    average_start: int = Field(2000, ge=0, description="updates during which weights are copied")

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        wrong = misfit(self.rows, self.hidden_dims, self.kernels_down, self.kernels_up)
        if wrong is not None:
            raise Impossible(*wrong)
        return self


class PlanningConfig(BaselineConfig):
    """Configuration of an agent that plans by denoising."""

    validate_every: int = Field(
        0, ge=0, description="updates between checks of the loss on held-out data; 0 for none"
    )

    @property
    def longest_window(self) -> tuple[str, int]:
        """Environment steps of the longest window, and the key that decides them."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _windows_fit_into_an_episode(self) -> Self:
        key, steps = self.longest_window
        if steps >= self.data.episode_length:
            found = f"data.episode_length is {self.data.episode_length}"
            raise Impossible(key, f"windows of {steps} steps need longer episodes; {found}")
        return self

    @property
    def lagged_target(self) -> bool:
        """The average follows the parameters from after the update, as in the original [F]."""
        return False


def planning_stage(view: str, *planners: str) -> Stage:
    """The stage of an agent that has these planners and nothing else to learn."""

    def passes(config: Mapping[str, Any], spaces: Spaces) -> Iterator[tuple[int, int, int]]:
        # A high level's rows hold several actions, which counts in the outermost layers alone.
        row_dim = spaces.observation_dim + spaces.goal_dim + spaces.action_dim
        for cfg in (config[name] for name in planners):
            kernels = (cfg["kernels_down"], cfg["kernels_up"])
            yield from products(cfg["rows"], row_dim, cfg["hidden_dims"], *kernels)

    return Stage(
        "agent",
        1,
        (
            *("data.normalizer", "steps", "batch_size", "optimiser", "checkpoint_every"),
            *("validate_every", *planners),
        ),
        variants=("data.all_anchors", "compute.tf32"),
        view=view,
        checkpoints="checkpoint_every",
        products=passes,
    )


class Config(PlanningConfig):
    """The planner."""

    plan: PlannerConfig = PlannerConfig()

    @property
    def chunk_length(self) -> int:
        """Every row has an action."""
        return self.plan.rows

    @property
    def longest_window(self) -> tuple[str, int]:
        """Every row is a step."""
        return "plan.rows", self.plan.rows


@register("diffuser")
class Diffuser(Agent):
    """Plans from the observation to the goal's representation (algorithms.md 15.1)."""

    Config = Config
    modes = ("goal",)
    stages = (planning_stage("plans", "plan"),)
    acts_with = ("agent",)

    def build(self) -> Mapping[str, Part]:
        """The planner."""
        dims = (self.spaces.action_dim, self.spaces.observation_dim, self.spaces.goal_dim)
        self.planner = c.Planner("plan", *dims, self.config.plan, self.init)
        return {"agent": self.planner}

    @property
    def act_noise(self) -> dict[str, tuple[int, ...]]:
        """That of one plan."""
        return {"plan": self.planner.sample_noise}

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """Actions of all rows of one plan."""
        plan = self.planner.sample(observations, goals, noise["plan"])
        return plan[..., self.planner.actions].clamp(-1.0, 1.0)
