"""Imagined returns of a policy, and how they change with each of its actions (algorithms.md 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mac.components.dynamics import GaussianEnsemble
from mac.components.imagine import imagine
from mac.components.outcome import Outcome
from mac.components.part import flat
from mac.losses.returns import averaged_returns, future_shares

Policy = Callable[[Tensor, Tensor], Tensor]  # actions (..., 1, A) of states (..., O), goals
Critic = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Prospect:
    """H imagined steps from each of B states, and what may be expected from each of them.

    Attributes:
        states: (H + 1, B, O).
        goals: (H + 1, B, G).
        actions: (H + 1, B, 1, A), the last one after the last state.
        rewards: (H, B).
        alive: (H + 1, B), 1 until a predicted success, 0 after it.
        values: Q of states and actions, (H + 1, B).
        returns: G, (H + 1, B); see :func:`mac.losses.returns.averaged_returns`.
    """

    states: Tensor
    goals: Tensor
    actions: Tensor
    rewards: Tensor
    alive: Tensor
    values: Tensor
    returns: Tensor


class Outlook:
    """Rolls a deterministic policy out in a stochastic model and averages returns over horizons.

    Model, outcome, policy and critic are not trained here.

    Args:
        model: imagined dynamics.
        outcome: rewards and masks.
        policy: acts at every step.
        critic: Q.
        action_dim: A.
        rollout_length: H.
        discount: per step.
        td_lambda: lambda of the returns.
    """

    def __init__(
        self,
        model: GaussianEnsemble,
        outcome: Outcome,
        policy: Policy,
        critic: Critic,
        *,
        action_dim: int,
        rollout_length: int,
        discount: float,
        td_lambda: float,
    ) -> None:
        self.model, self.outcome, self.policy, self.critic = model, outcome, policy, critic
        self.action_dim, self.rollout_length = action_dim, rollout_length
        self.discount, self.td_lambda = discount, td_lambda
        self.shares = future_shares(rollout_length, td_lambda)

    @torch.no_grad()
    def __call__(self, start: Tensor, goals: Tensor, noise: Sequence[Tensor]) -> Prospect:
        """Prospect of states (B, O) with goals (B, G), given the model's noise, (H, ...) each."""
        return self._unroll(start, goals, noise, [0.0] * (self.rollout_length + 1))

    def weights(self, found: Prospect) -> Tensor:
        """Survival, discounted, of imagined steps: (H, B)."""
        steps = torch.arange(self.rollout_length, device=found.alive.device)[:, None]
        return found.alive[:-1] * self.discount**steps

    def gradients(
        self, start: Tensor, goals: Tensor, noise: Sequence[Tensor]
    ) -> tuple[Prospect, Tensor]:
        """The same, and dG_h / da_h (H + 1, B, 1, A), both constants.

        An action counts through the states and the later actions that follow from it, with the
        noise as it is; predicted successes are thresholds and have no gradient.

        G_h holds G_{h+1} times a factor, so one pass backward is enough for all h: it starts from
        what each G_h adds of its own, and on its way from s_{h+1} to s_h meets that factor.
        """
        with torch.enable_grad():
            shape = (self.rollout_length + 1, len(start), 1, self.action_dim)
            shifts = start.new_zeros(shape).requires_grad_()
            found = self._unroll(start, goals, noise, shifts)
            # filled where they are: a list would be copied from the host
            shares = torch.stack([start.new_full((1,), share) for share in (*self.shares, 0.0)])
            own = ((1.0 - shares) * found.values).sum()
            own = own + (shares[:-1] * found.alive[:-1] * found.rewards).sum()
            (gradients,) = torch.autograd.grad(own, shifts)
        constants = {name: array.detach() for name, array in vars(found).items()}
        return Prospect(**constants), gradients

    def _unroll(
        self, start: Tensor, goals: Tensor, noise: Sequence[Tensor], shifts: Iterable[Tensor]
    ) -> Prospect:
        """The prospect when a shift is added to each action."""
        rewards: list[Tensor] = []
        alive = [torch.ones_like(start[:, 0])]
        *shifts, last_shift = shifts

        def act(states: Tensor, goals: Tensor, shift: Tensor) -> Tensor:
            return self.policy(states, goals) + shift

        def model(states: Tensor, actions: Tensor, *noise: Tensor) -> Tensor:
            following = self.model(states, actions, *noise)
            reward, mask = self.outcome(states, goals, actions)
            factor = self.discount * self.shares[len(rewards)]
            rewards.append(reward)
            alive.append(alive[-1] * mask)
            return _scaled(following, factor * alive[-1][:, None])

        trajectory = imagine(model, act, start, goals, shifts, model_noise=noise)
        states, goals = trajectory.observations, trajectory.goals
        last = act(states[-1], goals[-1], last_shift)
        actions = torch.cat([trajectory.actions, last[None]])
        values = self.critic(states, goals, flat(actions))
        received, survival = torch.stack(rewards), torch.stack(alive)
        returns = averaged_returns(received, survival, values, self.discount, self.td_lambda)
        return Prospect(states, goals, actions, received, survival, values, returns)


def _scaled(x: Tensor, factor: Tensor) -> Tensor:
    """x, whose gradient is multiplied by a factor on its way back."""
    constant = x.detach()
    return constant + factor * (x - constant) if x.requires_grad else x
