"""MAC: the behaviour proposes action chunks, the model unrolls them, the critic keeps the best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mac import components as c
from mac.agents.base import Agent, register
from mac.agents.stages import BEHAVIOUR, HEADS, MODEL, VALUE
from mac.config.schema import ChunkedConfig

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Part


@register("mac")
class MAC(Agent):
    """Value expansion under rejection sampling from a distilled flow policy (algorithms.md 1)."""

    Config = ChunkedConfig
    stages = (MODEL, HEADS, BEHAVIOUR, VALUE)
    acts_with = ("behaviour", "value")
    act_reads = ("evaluate.num_candidates",)

    def build(self) -> Mapping[str, Part]:
        """The value learner, which joins dynamics, outcome heads and behaviour."""
        value, n = self.config.value, self.config.chunk_length
        self.chunk_dim = n * self.spaces.action_dim
        self.model, self.heads = self.parts["model"], self.parts["heads"]
        self.behaviour = self.parts["behaviour"]
        self.values = c.Values(
            self.spaces,
            n,
            value.hidden_dims,
            value.critic_hidden_dims,
            self.init,
            layer_norm=value.layer_norm,
        )
        return {"value": self.learn_values()}

    def learn_values(self) -> Part:
        """Value learner whose rollouts take the best of ``num_candidates`` chunks."""
        networks = (self.behaviour, self.values.critic)
        return self.expand(
            c.BestOf(*networks), (self.config.value.num_candidates,), acting=networks
        )

    def expand(self, act: Any, lead: tuple[int, ...], **options: Any) -> Part:
        """Value expansion under an acting rule with noise (H, *lead, B, n A)."""
        cfg = self.config.value
        chunk_discount = self.config.discount**self.config.chunk_length
        settings = {
            "return_discount": chunk_discount,
            "critic_discount": chunk_discount,
            "rollout_length": cfg.rollout_length,
            "rollout_batch_size": cfg.rollout_batch_size,
            "td_lambda": cfg.td_lambda,
            "polyak_rate": cfg.polyak_rate,
            "loss": cfg.loss,
            "target_network": cfg.target_network,
            "corrected_critic": cfg.corrected_critic,
            "precision": self.config.compute.precision,
        }
        return c.ValueExpansion(
            self.values, self.model, self.heads, act, (lead, self.chunk_dim), **settings | options
        )

    @property
    def act_noise(self) -> dict[str, tuple[int, ...]]:
        """One noise vector for each candidate."""
        return {"z": (self.config.evaluate.num_candidates, self.chunk_dim)}

    @property
    def rejection(self) -> c.BestOf | None:
        """Best of N candidate chunks by the critic."""
        return c.BestOf(self.behaviour, self.values.critic)

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """Chunks that rejection leaves; see :meth:`Agent.act`."""
        return self.rejection(observations, goals, noise["z"].transpose(0, 1))

    def value(self, observations: Tensor, goals: Tensor) -> Tensor:
        """Value of the acting policy, in units of chunk rewards."""
        return self.values.value(observations, goals)
