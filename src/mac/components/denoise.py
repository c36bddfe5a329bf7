"""Policy that imitates the data by diffusion, and whose slow average samples (IDQL)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mac.components.part import Draw, Loss, Noise, Part, flat
from mac.components.target import Tracked
from mac.losses.ddpm import ancestral, noise_prediction, variance_preserving
from mac.nets.mlp import Init
from mac.nets.residual import NoisePredictor
from mac.types import Batch, Spaces

if TYPE_CHECKING:
    from mac.config.baselines import DiffusionActorConfig


class Diffusion(Part):
    """Diffusion policy of single actions."""

    def __init__(self, spaces: Spaces, config: DiffusionActorConfig, init: Init) -> None:
        super().__init__()
        self.action_dim, self.dropout = spaces.action_dim, config.dropout
        self.schedule = variance_preserving(config.diffusion_steps)
        alpha_bars = torch.tensor(self.schedule.alpha_bars)
        self.register_buffer("alpha_bars", alpha_bars, persistent=False)
        network = NoisePredictor(
            (spaces.observation_dim, spaces.goal_dim),
            spaces.action_dim,
            config.hidden_dims,
            config.time_dims,
            init.generator("diffusion"),
            layer_norm=config.layer_norm,
        )
        self.predictor = Tracked(network, config.average_rate)

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise and times of the diffusion, and what dropout is drawn from."""
        drawn = enumerate(self.predictor.network.dropped) if self.dropout else ()
        return {
            "diffusion_eps": Draw((batch_size, self.action_dim)),
            "diffusion_t": Draw((batch_size, 1), "uniform"),
            **{f"dropout_{i}": Draw((batch_size, width), "uniform") for i, width in drawn},
        }

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Squared error of the predicted noise in the data's actions."""
        network, given = self.predictor.network, (batch.observations, batch.actor_goals)
        drawn = range(len(network.dropped)) if self.dropout else ()
        kept = [
            (uniform >= self.dropout).to(uniform) / (1.0 - self.dropout)
            for uniform in (noise[f"dropout_{i}"] for i in drawn)
        ]
        value = noise_prediction(
            lambda x, k: network(x, k, given, kept),
            flat(batch.actions),
            noise["diffusion_eps"],
            noise["diffusion_t"],
            self.alpha_bars,
        )
        return [Loss("diffusion_loss", value, [network])]

    @torch.no_grad()
    def sample(self, observations: Tensor, goals: Tensor, noise: Tensor) -> Tensor:
        """Actions (..., 1, A) in [-1, 1] for (B, O), (B, G), noise (..., B, T A), by the average.

        The noise of all T steps is one vector, as that of a flow is: one candidate's.
        """
        by_step = noise.unflatten(-1, (len(self.schedule), self.action_dim)).movedim(-2, 0)
        network, given = self.predictor.target_network, (observations, goals)
        return ancestral(lambda x, k: network(x, k, given), self.schedule, by_step)[..., None, :]

    def follow(self) -> None:
        """Moves the average."""
        self.predictor.follow()
