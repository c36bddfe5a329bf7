from dataclasses import replace

import numpy as np
import pytest
import torch

from mac.errors import ConfigError
from tests.unit.agents import lines

SMALL = {
    "rows": 8,
    "hidden_dims": [16, 32],
    "kernels_down": [4],
    "kernels_up": [4],
    "diffusion_steps": 10,
}


def make(**plan):
    return lines.make(
        "diffuser",
        {
            "optimiser.learning_rate": 0.004,
            "batch_size": 32,
            "evaluate.execute_length": 1,
            "plan": SMALL | plan,
        },
    )


def test_plans_on_a_line_are_the_only_ones_there_are():
    agent = make(**lines.FLAT)
    before, scale = lines.errors(agent, 7)
    lines.train(agent, 300)
    after, _ = lines.errors(agent, 7)
    assert before > scale and after < 0.4 * scale


def test_acting_is_the_actions_of_a_plan_from_the_observation_to_the_goal():
    agent = make()
    observations, goals = torch.tensor([[0.1], [-0.2]]), torch.tensor([[0.7], [0.3]])
    (shape,) = agent.act_noise.values()
    assert shape == (10, 8, 3)
    noise = {"plan": torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))}
    with torch.no_grad():
        plan = agent.planner.sample(observations, goals, noise["plan"])
        actions = agent.act(observations, goals, noise)
    assert torch.equal(plan[:, 0, 1:2], observations) and torch.equal(plan[:, -1, 2:], goals)
    assert torch.equal(actions, plan[..., :1].clamp(-1, 1))


def test_the_average_follows_the_weights_from_after_the_update():
    agent = make(average_start=1000)
    assert not agent.config.lagged_target
    lines.train(agent, 1)
    planner = agent.parts["agent"]
    pairs = zip(planner.network.parameters(), planner.average.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"rows": 7}, r"plan.kernels_up.*7-3-6"),
        ({"kernels_up": [3]}, r"plan.kernels_up.*8-4-7"),
        ({"kernels_down": [5]}, r"plan.kernels_down: .*found 5"),
        ({"hidden_dims": [8]}, r"plan.kernels_down.*1 levels need 0 kernels each way"),
        ({"hidden_dims": [8, 12]}, r"plan.hidden_dims.*multiples of 8"),
        ({"rows": 1}, r"plan.rows"),
        ({"rows": 1000}, r"plan.rows.*windows of 1000 steps.*data.episode_length is 1000"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_before_training(plan, message):
    with pytest.raises(ConfigError, match=message):
        make(**plan)


def test_no_more_actions_are_executed_than_a_plan_has():
    values = {"plan": SMALL, "evaluate.execute_length": 9}
    with pytest.raises(ConfigError, match=r"evaluate.execute_length.*9 exceeds"):
        lines.make("diffuser", values)


def test_the_training_windows_end_at_their_goal():
    split = lines.split(3)
    split = replace(split, goals=split.observations + 10)
    agent = make()
    view = lines.VIEWS["plans"].configured(agent.config, split, lines.IDENTITY, None)
    plan = view.sample(np.random.default_rng(0), 50).plan
    assert plan.shape == (50, 8, 3) and len(view) == 3 * (lines.STEPS - 8)
    np.testing.assert_allclose(plan[..., 2], plan[..., 1] + 10, rtol=1e-6)
