"""A trajectory diffusion model: plans that begin and end where they are told (algorithms.md 15)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from mac.components.average import MovingAverage
from mac.components.part import Draw, Loss, Noise, Part
from mac.losses.diffusion import Schedule, denoising, sample
from mac.nets.mlp import Init
from mac.nets.temporal_unet import TemporalUNet
from mac.types import Record


class Settings(Protocol):
    """Size and training of one planner.

    Attributes:
        rows: H.
        hidden_dims, kernels_down, kernels_up: of :class:`mac.nets.temporal_unet.TemporalUNet`.
        diffusion_steps: T.
        action_weight: weight of the first row's actions in the loss.
        clip: sampling clips predictions of the data to [-1, 1].
        average_decay, average_every, average_start: of
            :class:`mac.components.average.MovingAverage`.
    """

    rows: int
    hidden_dims: Sequence[int]
    kernels_down: Sequence[int]
    kernels_up: Sequence[int]
    diffusion_steps: int
    action_weight: float
    clip: bool
    average_decay: float
    average_every: int
    average_start: int


class Planner(Part):
    """Denoises windows of rows (actions, observation, goal representation).

    The first row's observation and the last row's goal representation are known, in training as in
    sampling; the last row's observation, where rows have no goal representation.

    Args:
        name: of the batch's windows (B, H, D), of the loss and of the noise.
        action_dim: width of a row's actions.
        observation_dim: O.
        goal_dim: G, 0 for rows without a goal representation.
        settings: size and training.
        init: source of the initial parameters.
    """

    def __init__(
        self,
        name: str,
        action_dim: int,
        observation_dim: int,
        goal_dim: int,
        settings: Settings,
        init: Init,
    ) -> None:
        super().__init__()
        self.name, self.clip = name, settings.clip
        self.schedule = Schedule.cosine(settings.diffusion_steps)
        seen = action_dim + observation_dim
        self.actions, self.observations = slice(action_dim), slice(action_dim, seen)
        self.end = slice(seen, seen + goal_dim) if goal_dim else self.observations
        self.shape = (settings.rows, seen + goal_dim)
        known, weights = torch.zeros(self.shape, dtype=torch.bool), torch.ones(self.shape)
        known[0, self.observations] = known[-1, self.end] = True
        weights[0, self.actions] = settings.action_weight
        for key, constant in {
            "alpha_bars": torch.tensor(self.schedule.alpha_bars),
            "known": known,
            "weights": weights,
        }.items():
            self.register_buffer(key, constant, persistent=False)
        self.network = TemporalUNet(
            *self.shape,
            settings.hidden_dims,
            settings.kernels_down,
            settings.kernels_up,
            init.generator(name),
        )
        self.average = MovingAverage(
            self.network, settings.average_decay, settings.average_every, settings.average_start
        )

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise of the rows, and which step of the diffusion."""
        return {
            f"{self.name}_noise": Draw((batch_size, *self.shape)),
            f"{self.name}_step": Draw((batch_size,), "uniform"),
        }

    def losses(self, batch: Record, noise: Noise) -> list[Loss]:
        """Squared error of the predicted data, at a uniform step of the diffusion."""
        value = denoising(
            self.network,
            getattr(batch, self.name),
            noise[f"{self.name}_noise"],
            (len(self.schedule) * noise[f"{self.name}_step"]).long(),
            self.alpha_bars,
            self.known,
            self.weights,
        )
        return [Loss(f"{self.name}_loss", value, [self.network])]

    def follow(self) -> None:
        """Step of the average that samples."""
        self.average.follow()

    @property
    def sample_noise(self) -> tuple[int, ...]:
        """Shape of one sample's noise: (T, H, D)."""
        return (len(self.schedule), *self.shape)

    def sample(self, starts: Tensor, ends: Tensor, noise: Tensor) -> Tensor:
        """Rows (B, H, D) from observations (B, O) to ends (B, G or O), by the averaged network.

        ``noise`` is (B, T, H, D), standard normal.
        """
        values = starts.new_zeros(len(starts), *self.shape)
        values[:, 0, self.observations] = starts
        values[:, -1, self.end] = ends
        steps = noise.transpose(0, 1)
        return sample(self.average, self.schedule, values, self.known, steps, clip=self.clip)
