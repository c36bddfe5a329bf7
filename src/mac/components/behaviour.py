"""Behaviour policies over action chunks: flow matching, its one-step distillation, a Gaussian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mac.components.field import VectorField
from mac.components.part import Draw, Loss, Noise, Part, flat
from mac.losses.policy import ascent
from mac.losses.regression import squared
from mac.nets.gaussian import DiagonalGaussian
from mac.nets.mlp import MLP, Init
from mac.types import Batch, Spaces

if TYPE_CHECKING:
    from mac.config.schema import ChunkedConfig


class _Policy(Part):
    """Common shape of the policies: a vector per noise vector, seen from outside as chunks."""

    def __init__(self, spaces: Spaces, chunk_length: int) -> None:
        super().__init__()
        self.chunk = (chunk_length, spaces.action_dim)
        self.chunk_dim = chunk_length * spaces.action_dim

    def sample(self, observations: Tensor, goals: Tensor, noise: Tensor) -> Tensor:
        """Chunks (..., n, A), clipped to [-1, 1], for (B, O), (B, G) and noise (..., B, n A)."""
        vectors = self(observations, goals, noise)
        return vectors.clamp(-1.0, 1.0).unflatten(-1, self.chunk)


class Flow(_Policy):
    """Flow-matching policy v(s, g, x, t); samples by K Euler steps."""

    def __init__(
        self,
        spaces: Spaces,
        chunk_length: int,
        hidden_dims: Sequence[int],
        init: Init,
        flow_steps: int,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__(spaces, chunk_length)
        seen = (spaces.observation_dim, spaces.goal_dim)
        shape = (seen, self.chunk_dim, hidden_dims, init, flow_steps)
        self.flow = VectorField(*shape, layer_norm=layer_norm)

    def forward(self, observations: Tensor, goals: Tensor, noise: Tensor) -> Tensor:
        """Chunk vectors (..., n A), not clipped: the flow's image of the noise."""
        return self.flow.transport(noise, observations, goals)

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Source points and times of flow matching."""
        return self.flow.draws(batch_size)

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Flow matching on dataset chunks given the actor goal."""
        inputs = (batch.observations, batch.actor_goals)
        return [self.flow.matching(flat(batch.actions), noise, *inputs)]

    @torch.no_grad()
    def targets(self, observations: Tensor, goals: Tensor, noise: Tensor) -> Tensor:
        """Clipped chunk vectors (..., n A) that a one-step policy imitates: constants."""
        return flat(self.sample(observations, goals, noise))


class OneStep(_Policy):
    """One-step policy mu(s, g, z); its output is clipped when sampled, not when trained."""

    def __init__(
        self,
        spaces: Spaces,
        chunk_length: int,
        hidden_dims: Sequence[int],
        init: Init,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__(spaces, chunk_length)
        dims = (spaces.observation_dim, spaces.goal_dim, self.chunk_dim)
        generator = init.generator("onestep")
        self.onestep = MLP(dims, hidden_dims, self.chunk_dim, generator, layer_norm=layer_norm)

    def forward(self, observations: Tensor, goals: Tensor, noise: Tensor) -> Tensor:
        """Chunk vectors (..., n A), not clipped."""
        return self.onestep(observations, goals, noise)

    def improvement(
        self,
        teacher: Flow,
        score: Callable[[Tensor], Tensor],
        inputs: tuple[Tensor, Tensor, Tensor],
        imitation: float,
        *,
        normalise: bool = True,
    ) -> Loss:
        """Loss alpha L_dist + L_q of FQL: what a critic likes near the teacher's samples.

        Args:
            teacher: the policy imitated, from the same noise.
            score: frozen critic's values of chunk vectors (..., n A), which are clipped; the
                gradient passes through them.
            inputs: states (..., O), goals (..., G), noise (..., n A).
            imitation: alpha.
            normalise: whether L_q is divided by the mean size of the values.
        """
        vectors = self(*inputs)
        distill = squared(vectors, teacher.targets(*inputs))
        q_loss = ascent(score(vectors.clamp(-1.0, 1.0)), normalise=normalise)
        metrics = {"distill_loss": distill, "q_loss": q_loss}
        return Loss("actor_loss", imitation * distill + q_loss, [self], metrics)


class DistilledFlow(Part):
    """A flow policy and the one-step policy that imitates its samples; sampling uses the latter."""

    def __init__(
        self,
        spaces: Spaces,
        chunk_length: int,
        hidden_dims: Sequence[int],
        init: Init,
        flow_steps: int,
        *,
        layer_norm: bool = True,
    ) -> None:
        super().__init__()
        shape = (spaces, chunk_length, hidden_dims, init)
        self.teacher = Flow(*shape, flow_steps, layer_norm=layer_norm)
        self.student = OneStep(*shape, layer_norm=layer_norm)
        self.sample = self.student.sample

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise of flow matching and of the distillation."""
        return {
            **self.teacher.noise(batch_size),
            "distill_z": Draw((batch_size, self.student.chunk_dim)),
        }

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Flow matching; squared error of the one-step policy against the stored flow's samples."""
        inputs = (batch.observations, batch.actor_goals, noise["distill_z"])
        distill = squared(self.student(*inputs), self.teacher.targets(*inputs))
        return [
            *self.teacher.losses(batch, noise),
            Loss("distill_loss", distill, [self.student]),
        ]


class Gaussian(_Policy):
    """Gaussian policy over chunks, trained by maximum likelihood (algorithms.md 2).

    ``options`` are those of :class:`mac.nets.gaussian.DiagonalGaussian`.
    """

    def __init__(
        self,
        spaces: Spaces,
        chunk_length: int,
        hidden_dims: Sequence[int],
        init: Init,
        **options: bool,
    ) -> None:
        super().__init__(spaces, chunk_length)
        dims, generator = (spaces.observation_dim, spaces.goal_dim), init.generator("actor")
        self.actor = DiagonalGaussian(dims, hidden_dims, self.chunk_dim, generator, **options)

    def forward(self, observations: Tensor, goals: Tensor, noise: Tensor) -> Tensor:
        """Chunk vectors (..., n A), not clipped."""
        return self.actor.transform(noise, observations, goals)

    def losses(self, batch: Batch, noise: Noise) -> list[Loss]:
        """Negative log-likelihood of dataset chunks given the actor goal."""
        log_prob = self.actor.log_prob(flat(batch.actions), batch.observations, batch.actor_goals)
        return [Loss("bc_loss", -log_prob.mean(), [self.actor])]


def make(spaces: Spaces, config: ChunkedConfig, init: Init) -> DistilledFlow | Flow | Gaussian:
    """Behaviour named by ``behaviour.policy``."""
    cfg = config.behaviour
    arguments = (spaces, config.chunk_length, cfg.hidden_dims, init)
    if cfg.policy == "gaussian":
        return Gaussian(
            *arguments,
            layer_norm=cfg.layer_norm,
            squash=cfg.squash,
            squash_mean=cfg.squash_mean,
            state_dependent_std=cfg.state_dependent_std,
        )
    kind = {"distilled_flow": DistilledFlow, "flow": Flow}[cfg.policy]
    return kind(*arguments, cfg.flow_steps, layer_norm=cfg.layer_norm)
