"""HD-DA: a diffuser of sub-goals with dense actions, and one of the steps between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mac import components as c
from mac.agents.base import Agent, register
from mac.agents.diffuser import PlannerConfig, PlanningConfig, planning_stage

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Part


class Config(PlanningConfig):
    """The planners of both levels."""

    high: PlannerConfig = PlannerConfig()
    low: PlannerConfig = PlannerConfig()

    @property
    def stride(self) -> int:
        """K, environment steps from one sub-goal to the next: the low level's rows but the last."""
        return self.low.rows - 1

    @property
    def chunk_length(self) -> int:
        """A plan leads to the next sub-goal."""
        return self.stride

    @property
    def longest_window(self) -> tuple[str, int]:
        """The high level's, of M K steps."""
        return "high.rows", self.high.rows * self.stride


@register("hd_da")
class HDDA(Agent):
    """Plans sub-goals, then actions to the first of them, in goal mode (algorithms.md 15.2)."""

    Config = Config
    modes = ("goal",)
    stages = (planning_stage("hierarchy", "high", "low"),)
    acts_with = ("agent",)

    def build(self) -> Mapping[str, Part]:
        """Two planners that learn apart from each other."""
        cfg, actions, seen = self.config, self.spaces.action_dim, self.spaces.observation_dim
        shape = (cfg.stride * actions, seen, self.spaces.goal_dim)
        self.high = c.Planner("high", *shape, cfg.high, self.init)
        self.low = c.Planner("low", actions, seen, 0, cfg.low, self.init)
        return {"agent": c.Composite({"high": self.high, "low": self.low})}

    @property
    def act_noise(self) -> dict[str, tuple[int, ...]]:
        """That of one plan of each level."""
        return {"high": self.high.sample_noise, "low": self.low.sample_noise}

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """The K actions of the low level's plan to the second row of the high level's."""
        subgoals = self.high.sample(observations, goals, noise["high"])[:, 1]
        subgoals = subgoals[:, self.high.observations]
        plan = self.low.sample(observations, subgoals, noise["low"])
        return plan[:, :-1, self.low.actions].clamp(-1.0, 1.0)
