"""Dynamics: deterministic ones of action chunks, and Gaussian ensembles of single steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import Normal

from mac.components.part import Draw, Loss, Noise, Part, flat
from mac.losses.regression import squared
from mac.nets.ensemble import Ensemble
from mac.nets.mlp import MLP, Init
from mac.types import Batch, Spaces

if TYPE_CHECKING:
    from mac.config.baselines import GaussianEnsembleConfig


class Dynamics(Part):
    """f(s, A) = s + MLP(s, A), trained by squared error on dataset chunks (algorithms.md 1.2).

    It gives the observation n environment steps ahead.
    """

    def __init__(
        self,
        spaces: Spaces,
        chunk_length: int,
        hidden_dims: Sequence[int],
        init: Init,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__()
        width, generator = spaces.observation_dim, init.generator("dynamics")
        dims = (width, chunk_length * spaces.action_dim)
        self.dynamics = MLP(dims, hidden_dims, width, generator, layer_norm=layer_norm)

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Observations (B, O) after the chunks (B, n, A)."""
        return observations + self.dynamics(observations, flat(actions))

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Mean over rows and coordinates of (f(s, A) - s')^2."""
        prediction = self(batch.observations, batch.actions)
        value = squared(prediction, batch.next_observations)
        return [Loss("dynamics_loss", value, [self.dynamics])]


class GaussianEnsemble(Part):
    """P_e, e = 1 ... E: diagonal Gaussians of the next observation (algorithms.md 5).

    The mean is s plus the first half of a member's output, the log-std -5 + 6 sigmoid of the second
    half. All members learn on the same rows by maximum likelihood: no bootstrap, no elites [F].
    """

    def __init__(self, spaces: Spaces, config: GaussianEnsembleConfig, init: Init) -> None:
        super().__init__()
        self.width, self.members = spaces.observation_dim, config.members
        self.dynamics = Ensemble(
            (self.width, spaces.action_dim),
            config.hidden_dims,
            2 * self.width,
            self.members,
            init.generator("dynamics"),
            layer_norm=config.layer_norm,
        )

    def distribution(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Means and standard deviations (E, ..., O) of all members after actions (..., 1, A)."""
        change, spread = self.dynamics(observations, flat(actions)).chunk(2, dim=-1)
        return observations + change, (6.0 * spread.sigmoid() - 5.0).exp()

    def draws(self, steps: int, rows: int, *, by_coordinate: bool = False) -> tuple[Draw, Draw]:
        """Noise of the next observations of some steps; see :meth:`forward` for ``members``."""
        shape = (steps, rows, self.width)
        return Draw(shape), Draw(shape if by_coordinate else shape[:2], "index", self.members)

    def forward(
        self, observations: Tensor, actions: Tensor, noise: Tensor, members: Tensor
    ) -> Tensor:
        """Next observations (B, O), each row from one member.

        Args:
            observations: (B, O).
            actions: (B, 1, A).
            noise: (B, O), standard normal.
            members: (B,), the member of each row; or (B, O), one for each coordinate, so that a
                state mixes several members' predictions.
        """
        members = members if members.ndim == noise.ndim else members[:, None]
        ensemble = torch.arange(self.members, device=members.device)[:, None, None]
        means, stds = self.distribution(observations, actions)
        # a sum with a single term: unlike indexing, its gradient is a plain product
        chosen = (torch.where(members == ensemble, x, 0.0).sum(0) for x in (means, stds))
        mean, std = chosen
        return mean + std * noise

    def log_prob(self, following: Tensor, observations: Tensor, actions: Tensor) -> Tensor:
        """Log-densities (E, B) of next observations (B, O) after actions (B, 1, A)."""
        means, stds = self.distribution(observations, actions)
        return Normal(means, stds, validate_args=False).log_prob(following).sum(-1)

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Negative log-likelihood, the mean over members and rows."""
        log_prob = self.log_prob(batch.next_observations, batch.observations, batch.actions)
        return [Loss("dynamics_loss", -log_prob.mean(), [self.dynamics])]
