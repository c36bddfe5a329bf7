"""Imagined transitions kept on the training device, and their mixing with real ones.

Here and not in ``mac.data``: what is kept are tensors of the device, made by the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mac.components.dynamics import GaussianEnsemble
from mac.components.imagine import imagine
from mac.components.outcome import Outcome
from mac.components.part import Draw, Loss, Noise, Part, Refresh
from mac.components.select import Acting
from mac.types import Batch, Record, Spaces

if TYPE_CHECKING:
    from mac.config.baselines import ImaginedConfig

# Rolled out at once: a processor's cache, or else memory, must hold all members' activations.
BLOCK_ROWS = {"cpu": 1024, "cuda": 8192}


@dataclass(frozen=True)
class Rollouts(Record):
    """N rollouts of H imagined steps; a transition's next state is the next row's state.

    Attributes:
        observations: (H + 1, N, O).
        actions: (H, N, 1, A).
        rewards: (H, N).
        masks: (H, N), 0 after a predicted success, where rollouts go on all the same.
        value_goals: (1, N, G).
        actor_goals: (1, N, G).
    """

    observations: Any
    actions: Any
    rewards: Any
    masks: Any
    value_goals: Any
    actor_goals: Any


class ModelBuffer(Part):
    """The last R refreshes, of N rollouts each; the newest replaces the oldest (algorithms.md 5).

    Args:
        spaces: widths.
        config: sizes, and updates between refreshes.
        model: imagined dynamics.
        outcome: rewards and masks of imagined steps.
        act: acting rule of the rollouts, which sees the value goals [F]; noise (N, A).
    """

    def __init__(
        self,
        spaces: Spaces,
        config: ImaginedConfig,
        model: GaussianEnsemble,
        outcome: Outcome,
        act: Acting,
    ) -> None:
        super().__init__()
        self._frozen = (model, outcome)  # tuples: these are not sub-modules of this part
        self.act, self.config, self.action_dim = act, config, spaces.action_dim
        self.kept: Rollouts | None = None  # arrays (R, ...)

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Numbers of the transitions that join a batch."""
        cfg = self.config
        count = cfg.retain * cfg.rollout_length * cfg.starts
        return {"imagined_rows": Draw((cfg.batch_size,), "index", count)}

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """None: nothing is learnt here."""
        return []

    @property
    def refreshes(self) -> Refresh:
        """As configured; the buffer is full before the first update."""
        cfg = self.config
        return Refresh(cfg.every, cfg.retain, cfg.starts, self.draws(cfg.starts))

    def draws(self, rows: int) -> dict[str, Draw]:
        """Noise of so many rollouts."""
        steps = self.config.rollout_length
        noise, members = self._frozen[0].draws(steps, rows)
        action = Draw((steps, rows, self.action_dim))
        return {"action_eps": action, "dynamics_eps": noise, "members": members}

    @torch.no_grad()
    def rollouts(self, batch: Batch, noise: Noise) -> Rollouts:
        """Rollouts from the states of a batch, towards their value goals, with present weights."""
        model, outcome = self._frozen
        trajectory = imagine(
            model,
            self.act,
            batch.observations,
            batch.value_goals,
            noise["action_eps"],
            model_noise=(noise["dynamics_eps"], noise["members"]),
        )
        states, actions = trajectory.observations, trajectory.actions
        rewards, masks = outcome(states[:-1], trajectory.goals[:-1], actions)
        goals = (batch.value_goals[None], batch.actor_goals[None])
        return Rollouts(states, actions, rewards, masks, *goals)

    def refresh(self, batch: Batch, noise: Noise, count: int) -> None:
        """Replace the oldest rollouts by others from the states of a batch."""
        slot, block = count % self.config.retain, BLOCK_ROWS[batch.observations.device.type]
        for first in range(0, len(batch.observations), block):
            rows = slice(first, first + block)
            found = self.rollouts(
                batch.map(lambda array, rows=rows: array[rows]),
                {name: array[:, rows] for name, array in noise.items()},
            )
            if self.kept is None:
                self.kept = found.map(self._room)
            for name, array in vars(found).items():
                getattr(self.kept, name)[slot, :, rows] = array

    def _room(self, array: Tensor) -> Tensor:
        return array.new_zeros(
            (self.config.retain, array.shape[0], self.config.starts, *array.shape[2:])
        )

    def sample(self, numbers: Tensor) -> Batch:
        """The transitions with these numbers (B,), of 0 ... R H N - 1."""
        kept, cfg = self.kept, self.config
        slot, step, row = (
            numbers // (cfg.rollout_length * cfg.starts),
            numbers // cfg.starts % cfg.rollout_length,
            numbers % cfg.starts,
        )
        return Batch(
            observations=kept.observations[slot, step, row],
            actions=kept.actions[slot, step, row],
            rewards=kept.rewards[slot, step, row],
            masks=kept.masks[slot, step, row],
            next_observations=kept.observations[slot, step + 1, row],
            value_goals=kept.value_goals[slot, 0, row],
            actor_goals=kept.actor_goals[slot, 0, row],
        )

    @torch.no_grad()
    def join(
        self, real: Batch, noise: Noise, penalty: Callable[[Batch, Noise], Tensor], weight: float
    ) -> tuple[Batch, Tensor]:
        """Real rows, then the imagined ones, whose rewards pay for it; and their penalties (B,).

        Args:
            real: rows of data.
            noise: of :meth:`noise`, and what the penalty needs.
            penalty: what an imagined row pays.
            weight: how much of it.
        """
        imagined = self.sample(noise["imagined_rows"])
        cost = penalty(imagined, noise)
        paid = replace(imagined, rewards=imagined.rewards - weight * cost)
        pairs = {name: (array, getattr(paid, name)) for name, array in vars(real).items()}
        return type(real)(**{name: torch.cat(pair) for name, pair in pairs.items()}), cost

    def memory(self) -> dict[str, Tensor]:
        """The rollouts."""
        return {} if self.kept is None else dict(vars(self.kept))

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Keep these rollouts."""
        self.kept = Rollouts(**memory) if memory else None
