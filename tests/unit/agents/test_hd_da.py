import numpy as np
import pytest
import torch

from mac.errors import ConfigError
from tests.unit.agents import lines

LEVEL = {
    "rows": 4,
    "hidden_dims": [16, 32],
    "kernels_down": [4],
    "kernels_up": [4],
    "diffusion_steps": 10,
}


def make(both=None, **high):
    return lines.make(
        "hd_da",
        {
            "optimiser.learning_rate": 0.004,
            "batch_size": 32,
            "evaluate.execute_length": 1,
            "high": LEVEL | (both or {}) | high,
            "low": LEVEL | (both or {}) | {"diffusion_steps": 5},
        },
    )


def test_plans_on_a_line_are_the_only_ones_there_are():
    """Three steps to the next sub-goal, nine to the goal."""
    agent = make(lines.FLAT)
    before, scale = lines.errors(agent, 9)
    lines.train(agent, 400)
    after, _ = lines.errors(agent, 9)
    assert before > scale and after < 0.6 * scale


def test_acting_is_the_low_plan_to_the_high_plans_second_row():
    agent = make()
    observations, goals = torch.tensor([[0.1], [-0.2]]), torch.tensor([[0.7], [0.3]])
    generator = torch.Generator().manual_seed(0)
    noise = {n: torch.randn(2, *s, generator=generator) for n, s in agent.act_noise.items()}
    assert {n: x.shape for n, x in noise.items()} == {"high": (2, 10, 4, 5), "low": (2, 5, 4, 2)}
    with torch.no_grad():
        high = agent.high.sample(observations, goals, noise["high"])
        assert torch.equal(high[:, 0, 3:4], observations) and torch.equal(high[:, -1, 4:], goals)
        low = agent.low.sample(observations, high[:, 1, 3:4], noise["low"])
        actions = agent.act(observations, goals, noise)
    assert agent.config.chunk_length == 3
    assert torch.equal(actions, low[:, :3, :1].clamp(-1, 1))


def test_windows_of_both_levels():
    agent, split = make(), lines.split(3)
    view = lines.VIEWS["hierarchy"].configured(agent.config, split, lines.IDENTITY, None)
    batch = view.sample(np.random.default_rng(0), 50)
    assert batch.high.shape == (50, 4, 3 + 1 + 1) and batch.low.shape == (50, 4, 2)
    speeds = batch.high[:, 0, 0] / lines.PACE
    np.testing.assert_allclose(np.diff(batch.high[..., 3]).mean(1), 3 * speeds, atol=1e-5)
    np.testing.assert_allclose(
        np.diff(batch.low[..., 1]).mean(1), batch.low[:, 0, 0] / lines.PACE, atol=1e-5
    )
    assert not np.array_equal(batch.high[:, 0, 3], batch.low[:, 0, 1])  # drawn apart


def test_the_levels_share_nothing():
    agent = make()
    high, low = agent.high, agent.low
    assert {p.data_ptr() for p in high.parameters()}.isdisjoint(
        p.data_ptr() for p in low.parameters()
    )
    first = [next(iter(p.network.parameters())).flatten()[:8] for p in (high, low)]
    assert not torch.equal(*first)  # another name, other initial numbers


def test_windows_and_plans_that_do_not_fit_are_refused_before_training():
    with pytest.raises(ConfigError, match=r"high.rows.*windows of 1008 steps"):
        make(rows=336)
    with pytest.raises(ConfigError, match=r"evaluate.execute_length.*4 exceeds chunk_length 3"):
        lines.make("hd_da", {"high": LEVEL, "low": LEVEL, "evaluate.execute_length": 4})
