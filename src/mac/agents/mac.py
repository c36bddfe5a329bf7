"""MAC: the behaviour proposes action chunks, the model unrolls them, the critic keeps the best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mac import components as c
from mac.agents.base import Agent, register
from mac.agents.stages import BEHAVIOUR, HEADS, MODEL, VALUE
from mac.config.schema import AgentConfig

if TYPE_CHECKING:
    from torch import Tensor

    from mac.components.part import Part


@register("mac")
class MAC(Agent):
    """Value expansion under rejection sampling from a distilled flow policy (algorithms.md 1)."""

    Config = AgentConfig
    stages = (MODEL, HEADS, BEHAVIOUR, VALUE)
    acts_with = ("behaviour", "value")

    def build(self) -> Mapping[str, Part]:
        """Dynamics, outcome heads, behaviour, and the value learner that joins them."""
        cfg, spaces, n, init = self.config, self.spaces, self.config.chunk_length, self.init
        self.chunk_dim = n * spaces.action_dim
        model, heads, value = cfg.model, cfg.heads, cfg.value
        self.model = c.Dynamics(spaces, n, model.hidden_dims, init, layer_norm=model.layer_norm)
        self.heads = c.Outcome(
            spaces,
            n,
            heads.hidden_dims,
            init,
            layer_norm=heads.layer_norm,
            negative=cfg.goals.negative,
        )
        self.behaviour = c.behaviour.make(spaces, cfg, init)
        self.values = c.Values(
            spaces,
            n,
            value.hidden_dims,
            value.critic_hidden_dims,
            init,
            layer_norm=value.layer_norm,
        )
        return {
            "model": self.model,
            "heads": self.heads,
            "behaviour": self.behaviour,
            "value": self.learn_values(),
        }

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

    def act(self, observations: Tensor, goals: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """Best of N candidate chunks by the critic; see :meth:`Agent.act`."""
        best = c.BestOf(self.behaviour, self.values.critic)
        return best(observations, goals, noise["z"].transpose(0, 1))

    def value(self, observations: Tensor, goals: Tensor) -> Tensor:
        """Value of the acting policy, in units of chunk rewards."""
        return self.values.value(observations, goals)
