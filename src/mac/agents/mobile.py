"""MOBILE: MOPO that pays for disagreement about the value of the next state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from mac import components as c
from mac.agents.base import register
from mac.agents.mopo import MOPO, SECTIONS
from mac.agents.mopo import Config as MOPOConfig
from mac.agents.stages import whole
from mac.config.schema import Count

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Draw, Noise
    from mac.types import Batch


class Config(MOPOConfig):
    """MOPO's keys, and how the disagreement is estimated."""

    num_samples: Count = Field(5, description="M, next states of each model")
    corrected_penalty: bool = Field(
        False, description="[C] the spread is multiplied by the discount, as values are"
    )


@register("mobile")
class MOBILE(MOPO):
    """Model-Bellman inconsistency penalised offline policy optimisation (algorithms.md 5, 7)."""

    Config = Config
    stages = (
        whole(
            *(*SECTIONS, "num_samples", "corrected_penalty"),
            view="transitions",
            # as MOPO's, and with 7 models of 5 samples 35 actions and 2 x 35 values of each row
            networks={"model": (7, 31), "heads": (2, 7), "value": (4, 94), "actor": (1, 44)},
        ),
    )

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """MOPO's, and that of the next states and actions whose values are compared."""
        cfg = self.config
        shape = (cfg.model.members, cfg.num_samples, cfg.imagined.batch_size)
        widths = {
            "penalty_dynamics_eps": self.spaces.observation_dim,
            "penalty_action_eps": self.spaces.action_dim,
        }
        return super().noise(batch_size) | {n: c.Draw((*shape, w)) for n, w in widths.items()}

    def penalty(self, imagined: Batch, noise: Noise) -> Tensor:
        """Penalties u (B,) = std_e(mean_k q_ek): the models' spread of values after (s, a).

        q_ek is the mean target critic at one of M next states of model e and an action of the
        policy there. The spread divides by E, not by E - 1.
        """
        means, stds = self.model.distribution(imagined.observations, imagined.actions)
        states = means[:, None] + stds[:, None] * noise["penalty_dynamics_eps"]
        goals = imagined.value_goals.expand(*states.shape[:-1], -1)
        actions = self.policy.actor.transform(noise["penalty_action_eps"], states, goals)
        values = self.critics.target_critic(states, goals, actions).mean(0).mean(1)
        spread = values.std(0, correction=0)
        return self.config.discount * spread if self.config.corrected_penalty else spread
