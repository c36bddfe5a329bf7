"""SHARSA: SARSA over sub-goals; the best of N sub-goals, then an action towards it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from mac import components as c
from mac import losses, nets
from mac.agents.base import Agent, register
from mac.agents.stages import whole
from mac.config.baselines import CriticConfig, FlowActorConfig, SubgoalConfig
from mac.config.schema import Impossible

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Draw, Loss, Noise, Part
    from mac.types import SubgoalBatch


class Config(SubgoalConfig):
    """Networks, and how values are fitted where they are not logits."""

    value: CriticConfig = CriticConfig()
    actor: FlowActorConfig = FlowActorConfig()
    expectile: float = Field(
        0.5, gt=0.0, lt=1.0, description="of the value regression, under value.loss: squared"
    )

    @model_validator(mode="after")
    def _only_numbers_have_expectiles(self) -> Self:
        if self.expectile != type(self).model_fields["expectile"].default and (
            self.value.loss != "squared"
        ):
            raise Impossible("expectile", f"means nothing to value.loss: {self.value.loss}")
        return self


@register("sharsa")
class SHARSA(Agent):
    """Flows on two levels, values of sub-goals by n-step SARSA, goal mode (algorithms.md 12)."""

    Config = Config
    modes = ("goal",)
    stages = (
        whole(
            *("value", "actor", "expectile", "subgoal_steps", "exact_success"),
            view="subgoals",
            networks={"value": (5, 12), "actor": (2, 6)},
        ),
    )
    acts_with = ("agent",)
    act_reads = ("evaluate.num_candidates",)

    def build(self) -> Mapping[str, Part]:
        """Critics and a value of sub-goals; flows over sub-goals and over actions."""
        cfg, spaces = self.config, self.spaces
        state, goal = spaces.observation_dim, spaces.goal_dim
        self.critics = c.Critics((state, goal, goal), cfg.value, self.init)
        self.baseline = nets.Scalar(
            (state, goal),
            cfg.value.hidden_dims,
            self.init.generator("value"),
            layer_norm=cfg.value.layer_norm,
        )
        self.high, self.low = (
            c.VectorField(
                (state, goal),
                width,
                cfg.actor.hidden_dims,
                self.init,
                cfg.actor.flow_steps,
                name=name,
                layer_norm=cfg.actor.layer_norm,
            )
            for name, width in (("high_flow", goal), ("low_flow", spaces.action_dim))
        )
        flows = {"high": self.high, "low": self.low}
        modules = {"critics": self.critics, "value": self.baseline, **flows}
        return {"agent": c.Composite(modules, self.losses, self.noise)}

    def noise(self, batch_size: int) -> dict[str, Draw]:
        """Noise of both flows."""
        return self.high.draws(batch_size) | self.low.draws(batch_size)

    def losses(self, batch: SubgoalBatch, noise: Noise) -> list[Loss]:
        """Value, critics, and the flows: sub-goals on the way to a goal, actions to a sub-goal."""
        states, actions = batch.observations, c.flat(batch.actions)
        return [
            self.value_loss(batch),
            self.critic_loss(batch),
            self.high.matching(batch.actor_subgoals, noise, states, batch.actor_goals),
            self.low.matching(actions, noise, states, batch.low_goals),
        ]

    def value_loss(self, batch: SubgoalBatch) -> Loss:
        """L_V, on the target critics' value of the sub-goal in the data."""
        cfg, head, inputs = self.config, self.critics.head, (batch.observations, batch.value_goals)
        scores = self.critics.bootstrap(*inputs, batch.value_subgoals)
        raw = self.baseline(*inputs)
        if cfg.value.loss == "squared":
            loss = losses.regression.expectile(raw, scores, cfg.expectile)
        else:
            loss = head.errors(raw, scores).mean()
        metrics = {"value_mean": head.decode(raw).mean()}
        return c.Loss("value_loss", loss, [self.baseline], metrics)

    def critic_loss(self, batch: SubgoalBatch) -> Loss:
        """L_Q, the sum over critics, on R_k + gamma^k m V(s_k), not clipped."""
        critics, goals = self.critics, batch.value_goals
        raw = critics.critic(batch.observations, goals, batch.value_subgoals)
        loss = critics.head.errors(raw, self.target(batch)).mean(1).sum()
        metrics = {"q_mean": critics.head.decode(raw).mean()}
        return c.Loss("critic_loss", loss, [critics.critic], metrics)

    def target(self, batch: SubgoalBatch) -> Tensor:
        """What the critics are fitted to (B,): constants."""
        following = self.baseline(batch.next_observations, batch.value_goals).detach()
        values = self.critics.head.decode(following)
        return batch.rewards + batch.discounts * batch.masks * values

    @property
    def act_noise(self) -> dict[str, tuple[int, ...]]:
        """One noise vector for each candidate sub-goal, and one for the action."""
        candidates = self.config.evaluate.num_candidates
        return {
            "subgoals": (candidates, self.spaces.goal_dim),
            "action": (self.spaces.action_dim,),
        }

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """An action towards the sub-goal that the lesser critic likes best, whatever trained it."""
        candidates = self.high.transport(noise["subgoals"].transpose(0, 1), observations, goals)
        scores = self.critics.critic(observations, goals, candidates).amin(0)
        subgoals = c.best_of(candidates, scores)
        actions = self.low.transport(noise["action"], observations, subgoals)
        return actions.clamp(-1.0, 1.0)[:, None]
