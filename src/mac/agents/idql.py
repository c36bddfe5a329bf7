"""IDQL: implicit Q-learning's values, and the best of N actions of a diffusion of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mac import components as c
from mac.agents.base import register
from mac.agents.ifql import IFQL
from mac.agents.stages import whole
from mac.config.baselines import DiffusionActorConfig, ImplicitConfig

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Part


class Config(ImplicitConfig):
    """Networks and expectile."""

    actor: DiffusionActorConfig = DiffusionActorConfig()


@register("idql")
class IDQL(IFQL):
    """Implicit diffusion Q-learning in reward mode: IFQL with a diffusion in place of its flow."""

    Config = Config
    stages = (
        whole(
            *("value", "actor", "expectile"),
            view="steps",
            # a block has eight times the products of a layer of its width, and there is one more
            networks={"value": (5, 12), "actor": (12, 36)},
        ),
    )

    def imitate(self) -> Part:
        """Diffusion of the data's actions."""
        return c.Diffusion(self.spaces, self.config.actor, self.init)

    def score(self, *inputs: Tensor) -> Tensor:
        """The target critics choose."""
        return self.values.critics.bootstrap(*inputs)

    @property
    def act_noise(self) -> dict[str, tuple[int, ...]]:
        """One noise vector for each candidate, of all its steps."""
        width = self.config.actor.diffusion_steps * self.spaces.action_dim
        return {"z": (self.config.evaluate.num_candidates, width)}
