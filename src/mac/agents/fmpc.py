"""FMPC: proposes actions, imagines what follows each, and takes the one with the best outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from mac import components as c
from mac import losses, nets
from mac.agents.base import Agent, register
from mac.agents.stages import whole
from mac.config.baselines import ActorConfig, WholeConfig
from mac.config.schema import ChunksConfig, Count, Impossible, NetworkConfig

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Loss, Noise, Part
    from mac.types import OutcomeBatch


class ValueConfig(NetworkConfig):
    """Value of the data's policy, and critic of outcomes."""

    loss: Literal["squared", "bce"] = Field("bce", description="how values are read and fitted")
    corrected_critic: bool = Field(
        False, description="[C] under bce, decode the value in the critic's target"
    )

    @model_validator(mode="after")
    def _only_logits_are_decoded(self) -> Self:
        if self.corrected_critic and self.loss != "bce":
            raise Impossible("corrected_critic", f"means nothing to loss: {self.loss}, only to bce")
        return self


class Config(ChunksConfig, WholeConfig):
    """Networks, lengths, sampling, and the corrected variants."""

    chunk_length: Count = Field(1, description="k, actions that are proposed; environment steps")
    outcome_length: Count = Field(32, description="n, states that are imagined; environment steps")
    value: ValueConfig = ValueConfig()
    actor: ActorConfig = ActorConfig()
    dynamics: NetworkConfig = NetworkConfig()
    flow_steps: Count = Field(10, description="K, Euler steps of both flows")
    first_return: bool = Field(
        False,
        description="[C] reward mode fits V(s_t) to the return to go of s_t, not to those of all "
        "n + 1 states",
    )
    independent_noise: bool = Field(
        False, description="[C] actions and outcomes are drawn independently"
    )

    @model_validator(mode="after")
    def _actions_within_the_outcome(self) -> Self:
        if self.chunk_length > self.outcome_length:
            raise Impossible(
                "chunk_length", f"{self.chunk_length} exceeds outcome_length {self.outcome_length}"
            )
        return self

    @property
    def spans(self) -> dict[str, int]:
        """The outcome's length."""
        return {"outcome_length": self.outcome_length}


@register("fmpc")
class FMPC(Agent):
    """Model-predictive control with flows for policy and dynamics (algorithms.md 9)."""

    Config = Config
    stages = (
        whole(
            *("value", "actor", "dynamics", "chunk_length", "outcome_length"),
            view="outcomes",
            networks={"value": (2, 7), "actor": (1, 3), "dynamics": (1, 3)},
            variants=("chunk_reward", "task_masks", "first_return", "value.corrected_critic"),
        ),
    )
    acts_with = ("agent",)
    act_reads = ("flow_steps", "evaluate.num_candidates", "independent_noise")

    def build(self) -> Mapping[str, Part]:
        """Flows of actions and of outcomes, value, critic."""
        cfg, spaces, init = self.config, self.spaces, self.init
        actor, dynamics, value = cfg.actor, cfg.dynamics, cfg.value
        chunk, seen = cfg.chunk_length, (spaces.observation_dim, spaces.goal_dim)
        self.actor = c.behaviour.Flow(
            *(spaces, chunk, actor.hidden_dims, init, cfg.flow_steps), layer_norm=actor.layer_norm
        )
        ahead = cfg.outcome_length * spaces.observation_dim
        self.dynamics = c.VectorField(
            *((spaces.observation_dim, self.actor.chunk_dim), ahead, dynamics.hidden_dims, init),
            cfg.flow_steps,
            name="dynamics",
            layer_norm=dynamics.layer_norm,
        )

        def scalar(name: str, *dims: int) -> nets.Scalar:
            generator = init.generator(name)
            return nets.Scalar(dims, value.hidden_dims, generator, layer_norm=value.layer_norm)

        self.baseline = scalar("value", *seen)
        self.critic = scalar("critic", ahead, spaces.goal_dim, self.actor.chunk_dim)
        self.head = losses.regression.HEADS[value.loss]
        modules = {"dynamics": self.dynamics, "actor": self.actor}
        modules |= {"value": self.baseline, "critic": self.critic}
        return {"agent": c.Composite(modules, self.losses, self.dynamics.draws)}

    def losses(self, batch: OutcomeBatch, noise: Noise) -> list[Loss]:
        """Flow matching of outcomes; L_V on returns to go, broadcast; L_Q on r + gamma^n m V."""
        cfg, goals = self.config, batch.value_goals
        values = self.baseline(batch.observations, goals)
        following = self.baseline(batch.next_observations, goals).detach()
        if cfg.value.corrected_critic:
            following = self.head.decode(following)
        target = batch.rewards + cfg.discount**cfg.outcome_length * batch.masks * following
        outcomes, actions = c.flat(batch.outcomes), c.flat(batch.actions)
        scores = self.critic(outcomes, goals, actions)
        value_loss = self.head.loss(values.expand_as(batch.returns_to_go), batch.returns_to_go)
        metrics = {"value_mean": values.mean()}, {"q_mean": scores.mean()}
        return [
            self.dynamics.matching(outcomes, noise, batch.observations, actions),
            c.Loss("value_loss", value_loss, [self.baseline], metrics[0]),
            c.Loss("critic_loss", self.head.loss(scores, target), [self.critic], metrics[1]),
        ]

    @property
    def act_noise(self) -> dict[str, tuple[int, ...]]:
        """Candidates' noise of actions and of outcomes, or what both are the beginning of."""
        candidates, widths = self.config.evaluate.num_candidates, self._noise_widths
        if self.config.independent_noise:
            return {name: (candidates, width) for name, width in widths.items()}
        return {"z": (candidates * max(widths.values()),)}

    @property
    def _noise_widths(self) -> dict[str, int]:
        return {"action_z": self.actor.chunk_dim, "outcome_z": self.dynamics.out_dim}

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """The candidate whose outcome the critic likes best.

        The original draws both noises with one key, which gives one array and its beginning [F].
        """
        if not self.config.independent_noise:
            count, z = self.config.evaluate.num_candidates, noise["z"]
            widths = self._noise_widths.items()
            noise = {name: z[:, : count * n].unflatten(1, (count, n)) for name, n in widths}
        candidates = self.actor.sample(observations, goals, noise["action_z"].transpose(0, 1))
        actions, z = c.flat(candidates), noise["outcome_z"].transpose(0, 1)
        outcomes = self.dynamics.transport(z, observations, actions)
        scores = self.critic(outcomes, goals, actions)
        return c.best_of(candidates, scores)
