"""Values of the best actions in the data, without any other action (implicit Q-learning)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mac.components.critics import Critics
from mac.components.part import Loss, Noise, Part, flat
from mac.losses.regression import expectile
from mac.nets.mlp import Init, Scalar
from mac.types import Batch, Spaces

if TYPE_CHECKING:
    from mac.config.baselines import CriticConfig


class Implicit(Part):
    """V(s, g) by expectile regression on the target critics, Q_e(s, g, a) by backups to V.

    Args:
        spaces: widths of state, goal, action.
        config: widths of both, aggregation and rate of the critics.
        discount: gamma, per environment step.
        level: kappa, the expectile.
        init: source of the initial parameters.
    """

    def __init__(
        self, spaces: Spaces, config: CriticConfig, discount: float, level: float, init: Init
    ) -> None:
        super().__init__()
        seen = (spaces.observation_dim, spaces.goal_dim)
        self.critics = Critics((*seen, spaces.action_dim), config, init)
        self.value = Scalar(
            seen, config.hidden_dims, init.generator("value"), layer_norm=config.layer_norm
        )
        self.discount, self.level = discount, level

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """L_V against the lesser target critic; L_Q, summed over critics, on r + gamma m V(s')."""
        states, goals, actions = batch.observations, batch.value_goals, flat(batch.actions)
        values = self.value(states, goals)
        bounds = self.critics.bootstrap(states, goals, actions)
        following = self.value(batch.next_observations, goals).detach()
        target = batch.rewards + self.discount * batch.masks * following
        q = self.critics.critic(states, goals, actions)
        value_loss = expectile(values, bounds, self.level)
        critic_loss = (q - target).square().sum(0).mean()
        return [
            Loss("value_loss", value_loss, [self.value], {"value_mean": values.mean()}),
            Loss("critic_loss", critic_loss, [self.critics.critic], {"q_mean": q.mean()}),
        ]

    def follow(self) -> None:
        """Moves the target critics."""
        self.critics.follow()
