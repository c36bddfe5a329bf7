"""IDQL: its policy learns what it should, and the target critics choose."""

from __future__ import annotations

import torch

from mac.agents.idql import IDQL, Config
from mac.components.denoise import Diffusion
from mac.config.baselines import DiffusionActorConfig
from mac.config.schema import OptimiserConfig
from mac.nets.mlp import Init
from mac.training.update import Update, adam
from mac.types import Batch, Spaces


def test_a_policy_of_a_known_answer():
    """The data's action is 0.6 times the state's sign: so are samples, after a short training."""
    config = DiffusionActorConfig(
        hidden_dims=(32, 32), time_dims=(16, 16, 16), average_rate=0.02, dropout=0.0
    )
    policy = Diffusion(Spaces(1, 0, 1), config, Init(0))
    update = Update([policy], adam([policy], OptimiserConfig(learning_rate=3e-3)))
    generator, cpu = torch.Generator().manual_seed(0), torch.device("cpu")
    states = torch.where(torch.rand(64, 1, generator=generator) < 0.5, -1.0, 1.0)
    nothing, zero = torch.zeros(64, 0), torch.zeros(64)
    batch = Batch(states, 0.6 * states[:, None], zero, zero, states, nothing, nothing)
    losses = []
    for _ in range(600):
        noise = {name: draw.sample(generator, cpu) for name, draw in update.draws(64).items()}
        losses.append(update(batch, noise)["diffusion_loss"].item())
    assert sum(losses[-50:]) < 0.3 * sum(losses[:50])
    z = torch.randn(8, 64, 5, generator=generator)
    actions = policy.sample(states, nothing, z)
    assert actions.shape == (8, 64, 1, 1)
    errors = (actions[..., 0] - 0.6 * states).abs()
    assert errors.mean() < 0.1


def test_the_target_critics_choose_among_candidates_of_the_average():
    widths = {"hidden_dims": [8]}
    values = {"agent": "idql", "mode": "reward", "value": widths, "actor": widths}
    agent = IDQL(
        Config.model_validate({**values, "evaluate": {"num_candidates": 16}}),
        Spaces(3, 0, 2),
        Init(0),
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        critics = agent.values.critics
        for module, scale in ((critics, 1.0), (agent.policy.predictor, 0.1)):
            for parameter in module.parameters():
                parameter.add_(scale * torch.randn(parameter.shape, generator=generator))
    states, goals = torch.randn(6, 3, generator=generator), torch.zeros(6, 0)
    noise = {
        name: torch.randn(6, *shape, generator=generator) for name, shape in agent.act_noise.items()
    }
    with torch.no_grad():
        found = agent.act(states, goals, noise)
        differs = False
        for row in range(6):
            best = {"target": (-1e9, None), "online": (-1e9, None)}
            for candidate in noise["z"][row]:
                state = states[row : row + 1]
                action = agent.policy.sample(state, goals[:1], candidate[None])[0]
                for kind, critic in (("target", critics.target_critic), ("online", critics.critic)):
                    score = critic(state, goals[:1], action).min().item()
                    if score > best[kind][0]:
                        best[kind] = (score, action)
            assert torch.allclose(found[row], best["target"][1], atol=1e-5)
            differs |= not torch.equal(best["target"][1], best["online"][1])
    assert differs
