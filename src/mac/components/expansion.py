"""Value and critic learnt in imagined rollouts of the acting policy (algorithms.md 1.4 to 1.6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mac.components.dynamics import Dynamics
from mac.components.imagine import Trajectory, imagine
from mac.components.outcome import Outcome
from mac.components.part import Draw, Loss, Noise, Part, flat
from mac.components.select import Acting
from mac.components.values import Values
from mac.losses.regression import HEADS
from mac.losses.returns import lambda_returns
from mac.nets.frozen import frozen
from mac.types import Batch

Improve = Callable[[Trajectory, Noise], list[Loss]]


class ValueExpansion(Part):
    """Losses of V and Q on trajectories imagined with a frozen model and acting rule.

    Args:
        values: the networks trained.
        model: imagined dynamics, not trained here.
        outcome: rewards and masks of imagined chunks, not trained here.
        act: acting rule of the rollouts.
        act_noise: shape of its noise for B rows, ``(*lead, B, D)``, given as (lead, D).
        rollout_length: H, in chunks.
        rollout_batch_size: rows of the batch from which rollouts start; all where None.
        return_discount: per chunk, in the lambda-returns.
        critic_discount: per chunk, in the critic's target.
        td_lambda: lambda of the returns.
        polyak_rate: rate at which the target follows V, each step towards the V before the step.
        loss: ``squared`` or ``bce``.
        target_network: whether returns bootstrap from the target value; from V itself otherwise.
        corrected_critic: decode the value in the critic's target (the original leaves a logit under
            ``bce``).
        actor: a policy trained along with the values, if any.
        acting: networks of the acting rule, which rollouts compute in ``precision``.
        precision: ``float32`` or ``bf16``.
        improve: the losses that train it on the trajectory; ``noise["distill_z"]`` is (H, B, n A).
    """

    def __init__(
        self,
        values: Values,
        model: Dynamics,
        outcome: Outcome,
        act: Acting,
        act_noise: tuple[Sequence[int], int],
        *,
        rollout_length: int,
        rollout_batch_size: int | None,
        return_discount: float,
        critic_discount: float,
        td_lambda: float,
        polyak_rate: float,
        loss: str = "squared",
        target_network: bool = True,
        corrected_critic: bool = False,
        acting: Sequence[nn.Module] = (),
        precision: str = "float32",
        actor: Part | None = None,
        improve: Improve | None = None,
    ) -> None:
        super().__init__()
        self.values = values
        self.actor, self.improve = actor, improve
        self._frozen = (model, outcome)  # tuples: these are not sub-modules of this part
        self._acting, self.precision = tuple(acting), precision
        self.act, self.act_noise = act, act_noise
        self.rollout_length, self.rollout_batch_size = rollout_length, rollout_batch_size
        self.return_discount, self.critic_discount = return_discount, critic_discount
        self.td_lambda, self.polyak_rate = td_lambda, polyak_rate
        self.head, self.target_network = HEADS[loss], target_network
        self.corrected_critic = corrected_critic

    def rows(self, batch_size: int) -> int:
        """Number of rollouts for a batch of that size."""
        return min(batch_size, self.rollout_batch_size or batch_size)

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise of the acting rule at every imagined step."""
        lead, width = self.act_noise
        shape = (self.rollout_length, *lead, self.rows(batch_size), width)
        extra = {} if self.actor is None else {"distill_z": Draw(shape)}
        return {"rollout_z": Draw(shape), **extra}

    @torch.no_grad()
    def imagine(self, batch: Batch, noise: Noise) -> Trajectory:
        """Trajectories from the first rows of the batch, towards their value goals."""
        rows = self.rows(batch.observations.shape[0])
        start, goals = batch.observations[:rows], batch.value_goals[:rows]
        with frozen(self._acting, self.precision):
            return imagine(self._frozen[0], self.act, start, goals, noise["rollout_z"])

    def bootstrap(self, states: Tensor, goals: Tensor) -> Tensor:
        """Values (...) at which returns end."""
        values = self.values
        return self.head.decode(
            (values.target_value if self.target_network else values.value)(states, goals)
        )

    @torch.no_grad()
    def outlook(self, start: Tensor, goals: Tensor, first: Tensor, noise: Tensor) -> Tensor:
        """Imagined returns (B,) of chunks: each taken first, then the acting rule, then the value.

        Args:
            start: (B, O).
            goals: (B, G).
            first: (B, n, A).
            noise: (H, *lead, B, D), of the acting rule; its first row goes unused.
        """
        model, outcome = self._frozen
        trajectory = imagine(model, self.act, start, goals, noise, first)
        states, goals = trajectory.observations, trajectory.goals
        rewards, masks = outcome(states[:-1], goals[:-1], trajectory.actions)
        final = self.bootstrap(states[-1:], goals[-1:])
        return lambda_returns(rewards, masks, final, self.return_discount, 1.0)[0]

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Squared (or cross-entropy) error of V against returns at each step, of Q at the first."""
        values, decode = self.values, self.head.decode
        trajectory = self.imagine(batch, noise)
        states, goals = trajectory.observations, trajectory.goals
        with torch.no_grad():
            rewards, masks = self._frozen[1](states[:-1], goals[:-1], trajectory.actions)
            first = (
                1 if self.td_lambda < 1.0 else self.rollout_length
            )  # at lambda = 1 only V(s_H) counts
            next_values = self.bootstrap(states[first:], goals[first:])
            returns = lambda_returns(
                rewards, masks, next_values, self.return_discount, self.td_lambda
            )
        predictions = values.value(states[:-1], goals[:-1])
        with torch.no_grad():
            following = (
                predictions[1].detach()
                if self.rollout_length > 1
                else values.value(states[1], goals[1])
            )
            if self.corrected_critic:
                following = decode(following)
            target = rewards[0] + self.critic_discount * masks[0] * following
        scores = values.critic(states[0], goals[0], flat(trajectory.actions[0]))
        metrics = {
            "return_mean": returns.mean(),
            "mask_mean": masks.mean(),
            "q_mean": scores.mean(),
        }
        losses = [
            Loss("value_loss", self.head.loss(predictions, returns), [values.value], metrics),
            Loss("critic_loss", self.head.loss(scores, target), [values.critic]),
        ]
        return losses if self.improve is None else losses + self.improve(trajectory, noise)

    def follow(self) -> None:
        """Target value towards V; called before the optimiser's step, as the original does."""
        self.values.follow(self.polyak_rate)
