"""MOBILE's penalty, written out, and its correction."""

import pytest
import torch

from mac.agents.base import agent_class
from mac.nets.mlp import Init
from mac.types import Batch, Spaces

ROWS = 4
SMALL = {
    **{section: {"hidden_dims": [8]} for section in ("model", "heads", "value", "actor")},
    "imagined": {"batch_size": ROWS},
    "num_samples": 3,
    "discount": 0.9,
}


def build(**options):
    cls = agent_class("mobile")
    values = {"agent": "mobile", "mode": "goal", **SMALL, **options}
    return cls(cls.Config(**values), Spaces(3, 2, 2), Init(0))


@pytest.mark.parametrize("corrected", [False, True])
@torch.no_grad()
def test_the_penalty_is_the_spread_of_the_models_mean_values(corrected):
    agent, generator = build(corrected_penalty=corrected), torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    rows = Batch(
        observations=normal(ROWS, 3),
        actions=normal(ROWS, 1, 2),
        next_observations=normal(ROWS, 3),
        value_goals=normal(ROWS, 2),
        actor_goals=normal(ROWS, 2),
        rewards=normal(ROWS),
        masks=torch.ones(ROWS),
    )
    noise = {
        name: draw.sample(generator, torch.device("cpu"))
        for name, draw in agent.noise(5).items()
        if name.startswith("penalty")
    }
    found = agent.penalty(rows, noise)
    means, stds = agent.model.distribution(rows.observations, rows.actions)
    for b in range(ROWS):
        models = []
        for e in range(7):
            values = []
            for k in range(3):
                state = means[e, b] + stds[e, b] * noise["penalty_dynamics_eps"][e, k, b]
                seen = (state[None], rows.value_goals[b : b + 1])
                eps = noise["penalty_action_eps"][e, k, b][None]
                action = agent.policy.actor.transform(eps, *seen)
                values.append(agent.critics.target_critic(*seen, action).mean())
            models.append(sum(values) / 3)
        mean = sum(models) / 7
        spread = (sum((q - mean) ** 2 for q in models) / 7) ** 0.5
        torch.testing.assert_close(found[b], (0.9 if corrected else 1.0) * spread)
