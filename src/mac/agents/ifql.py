"""IFQL: implicit Q-learning's values, and the best of N actions of a flow of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mac import components as c
from mac.agents.base import Agent, register
from mac.agents.stages import whole
from mac.config.baselines import FlowActorConfig, ImplicitConfig

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Part


class Config(ImplicitConfig):
    """Networks and expectile."""

    actor: FlowActorConfig = FlowActorConfig()


@register("ifql")
class IFQL(Agent):
    """Implicit flow Q-learning in reward mode (algorithms.md 13.3)."""

    Config = Config
    modes = ("reward",)
    stages = (
        whole(
            *("value", "actor", "expectile"),
            view="steps",
            networks={"value": (5, 12), "actor": (1, 3)},
        ),
    )
    acts_with = ("agent",)
    act_reads = ("evaluate.num_candidates",)

    def build(self) -> Mapping[str, Part]:
        """Two critics and a value, a policy that imitates the data."""
        cfg = self.config
        self.values = c.Implicit(self.spaces, cfg.value, cfg.discount, cfg.expectile, self.init)
        self.policy = self.imitate()
        self.choose = c.BestOf(self.policy, self.score)
        return {"agent": c.Composite({"values": self.values, "policy": self.policy})}

    def imitate(self) -> Part:
        """Flow of the data's actions."""
        cfg = self.config.actor
        shape = (self.spaces, 1, cfg.hidden_dims, self.init, cfg.flow_steps)
        return c.behaviour.Flow(*shape, layer_norm=cfg.layer_norm)

    def score(self, *inputs: Tensor) -> Tensor:
        """What chooses among candidates: the critics (...) of states, goals, actions."""
        return self.values.critics.score(*inputs)

    @property
    def act_noise(self) -> dict[str, tuple[int, ...]]:
        """One noise vector for each candidate."""
        return {"z": (self.config.evaluate.num_candidates, self.spaces.action_dim)}

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """The candidate that the lesser critic likes best."""
        return self.choose(observations, goals, noise["z"].transpose(0, 1))
