"""MAC (FQL): MAC's model and values; a policy trained to maximise the critic near the behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from mac import components as c
from mac.agents.base import register
from mac.agents.mac import MAC
from mac.agents.stages import VALUE
from mac.config.schema import ChunkedConfig, Impossible

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.imagine import Trajectory
    from mac.components.part import Loss, Noise, Part


class Config(ChunkedConfig):
    """MAC's keys, the strength of the imitation, and the corrected variants."""

    distill_weight: float = Field(0.3, ge=0.0, description="alpha, weight of the imitation loss")
    corrected_normaliser: bool = Field(
        False,
        description="[C] divide by the mean |Q| of all entries, not of means over the rollout",
    )
    corrected_discount: bool = Field(
        False, description="[C] returns discounted by gamma^n a chunk instead of gamma"
    )

    @model_validator(mode="after")
    def _teacher_is_the_flow(self) -> Self:
        if self.behaviour.policy != "flow":
            raise Impossible(
                "behaviour.policy", f"mac_fql imitates a flow, not {self.behaviour.policy}"
            )
        return self


@register("mac_fql")
class MACFQL(MAC):
    """Flow behaviour, values expanded by a one-step policy, FQL's policy loss (algorithms.md 3)."""

    Config = Config
    stages = (
        *MAC.stages[:-1],
        replace(
            VALUE,
            reads=(*VALUE.reads, "distill_weight", "corrected_normaliser", "corrected_discount"),
        ),
    )
    acts_with = ("value",)
    act_reads = ()

    def learn_values(self) -> Part:
        """Value learner whose rollouts follow the one-step policy, which improves on them."""
        cfg, like = self.config, self.config.behaviour
        self.actor = c.OneStep(
            self.spaces, cfg.chunk_length, like.hidden_dims, self.init, layer_norm=like.layer_norm
        )
        options = {} if cfg.corrected_discount else {"return_discount": cfg.discount}
        return self.expand(
            self.actor.sample,
            (),
            actor=self.actor,
            acting=(self.actor,),
            improve=self.improve,
            **options,
        )

    def improve(self, trajectory: Trajectory, noise: Noise) -> list[Loss]:
        """FQL's loss on all imagined states (H, B); its critic's values are averaged over H [F]."""
        states, goals = trajectory.observations[:-1], trajectory.goals[:-1]

        def score(vectors: Tensor) -> Tensor:
            scores = self.values.critic(states, goals, vectors)
            return scores if self.config.corrected_normaliser else scores.mean(0)

        inputs, weight = (states, goals, noise["distill_z"]), self.config.distill_weight
        return [self.actor.improvement(self.behaviour, score, inputs, weight)]

    rejection = None  # a single sample acts

    @property
    def act_noise(self) -> dict[str, tuple[int, ...]]:
        """One noise vector: a single sample, no rejection."""
        return {"z": (self.chunk_dim,)}

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """One sample of the one-step policy."""
        return self.actor.sample(observations, goals, noise["z"])
