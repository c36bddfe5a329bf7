from dataclasses import dataclass, replace

import pytest
import torch

from mac.components.planner import Planner
from mac.losses.diffusion import sample
from mac.nets.mlp import Init
from mac.types import HierarchyBatch, PlanBatch

ACTION, STATE, GOAL = 2, 3, 1


@dataclass(frozen=True)
class Settings:
    rows: int = 4
    hidden_dims: tuple[int, ...] = (8, 16)
    kernels_down: tuple[int, ...] = (4,)
    kernels_up: tuple[int, ...] = (4,)
    diffusion_steps: int = 5
    action_weight: float = 10.0
    clip: bool = True
    average_decay: float = 0.9
    average_every: int = 1
    average_start: int = 0


def make(name="plan", goal_dim=GOAL, **options):
    return Planner(name, ACTION, STATE, goal_dim, replace(Settings(), **options), Init(0))


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_first_observation_and_last_goal_are_known_and_first_actions_weigh_more():
    planner = make()
    known = [
        [f"{h} {d}" for d in range(ACTION + STATE + GOAL) if planner.known[h, d]] for h in range(4)
    ]
    assert known == [["0 2", "0 3", "0 4"], [], [], ["3 5"]]
    weights = torch.ones(4, ACTION + STATE + GOAL)
    weights[0, :ACTION] = 10
    assert torch.equal(planner.weights, weights)


def test_without_a_goal_the_last_observation_is_known():
    planner = make(goal_dim=0)
    known = [[d for d in range(ACTION + STATE) if planner.known[h, d]] for h in range(4)]
    assert known == [[2, 3, 4], [], [], [2, 3, 4]]


@pytest.mark.parametrize("goal_dim", [0, GOAL])
def test_samples_begin_and_end_where_they_are_told_and_use_the_average(goal_dim):
    planner = make(goal_dim=goal_dim).double()
    starts, ends = normal(6, STATE).double(), normal(6, goal_dim or STATE, seed=1).double()
    noise = normal(6, *planner.sample_noise, seed=2).double()
    assert noise.shape == (6, 5, 4, ACTION + STATE + goal_dim)
    with torch.no_grad():
        rows = planner.sample(starts, ends, noise)
        assert torch.equal(rows[:, 0, planner.observations], starts)
        assert torch.equal(rows[:, -1, -(goal_dim or STATE) :], ends)
        values = torch.zeros_like(rows)
        values[:, planner.known] = rows[:, planner.known]
        by_step = [noise[:, number] for number in range(5)]
        same = sample(planner.average, planner.schedule, values, planner.known, by_step)
        assert torch.equal(rows, same)
        free = rows[:, ~planner.known]
        assert free.abs().max() <= 1.0  # the last step takes the clipped prediction
        alone = planner.sample(starts[2:3], ends[2:3], noise[2:3])
        torch.testing.assert_close(alone, rows[2:3])  # each its own noise
        for parameter in planner.network.parameters():
            parameter.zero_()
        torch.testing.assert_close(planner.sample(starts, ends, noise), rows)
        planner.follow()
        assert not torch.allclose(planner.sample(starts, ends, noise), rows)


def test_every_step_of_the_diffusion_is_drawn_and_none_beyond():
    planner, seen = make(), []
    planner.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    draws = planner.noise(1000)
    assert draws["plan_step"].kind == "uniform" and draws["plan_noise"].kind == "normal"
    noise = {
        "plan_noise": normal(1000, *planner.shape),
        "plan_step": (torch.arange(1000) + 0.5) / 1000,
    }
    planner.losses(PlanBatch(normal(1000, *planner.shape, seed=1)), noise)
    assert torch.equal(seen[0].bincount(), torch.full((5,), 200))
    almost = torch.tensor([1.0]).nextafter(torch.tensor([0.0]))
    for steps in range(1, 1025):
        assert (steps * almost).long().item() < steps


def test_planners_of_a_hierarchy_each_learn_their_own_windows():
    high, low = make("high"), make("low", goal_dim=0)
    batch = HierarchyBatch(normal(7, *high.shape), normal(7, *low.shape, seed=1))
    for planner, other in ((high, "low"), (low, "high")):
        draws = planner.noise(7)
        noise = {n: d.sample(torch.Generator().manual_seed(3), "cpu") for n, d in draws.items()}
        (loss,) = planner.losses(batch, noise)
        assert loss.name == f"{planner.name}_loss" and loss.trains == [planner.network]
        changed = replace(batch, **{other: getattr(batch, other) + 1})
        assert torch.equal(planner.losses(changed, noise)[0].value, loss.value)
        changed = replace(batch, **{planner.name: getattr(batch, planner.name) + 1})
        assert not torch.equal(planner.losses(changed, noise)[0].value, loss.value)


def test_constants_are_not_saved():
    saved = make().state_dict().keys()
    assert {name.split(".")[0] for name in saved} == {"network", "average"}
