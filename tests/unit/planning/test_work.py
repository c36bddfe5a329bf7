from collections import Counter

import pytest

from mac.agents.base import Stage, agent_class
from mac.planning.estimate import update_gflop
from mac.planning.plan import Plan
from mac.planning.work import backward, forward, gflop, update
from mac.types import Spaces
from tests.architecture.source import ROOT

SPACES = Spaces(observation_dim=3, goal_dim=2, action_dim=1)


def config(**sections):
    """Chunks of four actions; every network has one hidden layer, of a width of its own."""
    widths = {"model": 5, "heads": 6, "behaviour": 7, "value": 8}
    content = {"agent": "mac", "mode": "goal", "chunk_length": 4, "batch_size": 10}
    for name, width in widths.items():
        content[name] = {"hidden_dims": (width,), **sections.get(name, {})}
    content["value"] |= {"critic_hidden_dims": (9,), "num_candidates": 3, "rollout_length": 2}
    return agent_class("mac").Config.model_validate(content).model_dump()


STAGES = {stage.name: stage for stage in agent_class("mac").stages}


def products(*names, **sections):
    stages = [STAGES[name] for name in names]
    return update(stages, config(**sections), SPACES, joint=True)


def test_backward_skips_the_gradient_of_the_first_input():
    assert list(forward(4, 3, (5,), 2)) == [(4, 3, 5), (4, 5, 2)]
    assert list(backward(4, 3, (5,), 2)) == [(3, 4, 5), (5, 4, 2), (4, 2, 5)]
    assert gflop(forward(1000, 1000, (), 500)) == pytest.approx(1.0)
    assert gflop({(1000, 1000, 500): 3}) == pytest.approx(3.0)


def test_the_model_sees_states_and_chunks_and_the_heads_goals_too():
    assert products("model") == Counter([*forward(10, 7, (5,), 3), *backward(10, 7, (5,), 3)])
    heads = [*forward(10, 9, (6,), 1), *backward(10, 9, (6,), 1)]
    assert products("heads") == Counter(2 * heads)


@pytest.mark.parametrize(
    ("policy", "trained", "sampled"),
    [("gaussian", [5], {5: 1}), ("flow", [10], {10: 4}), ("distilled_flow", [10, 9], {9: 1})],
)
def test_policies(policy, trained, sampled):
    own = {"policy": policy, "flow_steps": 4}
    wanted = Counter()
    for width in trained:
        wanted.update([*forward(10, width, (7,), 4), *backward(10, width, (7,), 4)])
    if policy == "distilled_flow":  # the target of the one-step policy
        wanted.update(4 * [*forward(10, 10, (7,), 4)])
    assert products("behaviour", behaviour=own) == wanted
    ((width, times),) = sampled.items()
    counted = products("value", behaviour=own)
    assert counted[30, width, 7] == 2 * times  # three candidates each, two imagined chunks


def test_rollouts_start_from_a_part_of_the_batch():
    counted = products("value", value={"rollout_batch_size": 6})
    assert counted[18, 9, 9] == 2  # scores of candidates
    assert counted[6, 7, 5] == 2  # imagined steps
    assert counted[12, 9, 6] == 2  # success and reward of twelve imagined states
    assert counted[12, 5, 8] == 3  # their values: two by the target, one that is trained
    assert counted[6, 9, 9] == 1  # the critic


def test_stages_add_up_to_the_joint_update():
    stages = ("model", "heads", "behaviour", "value")
    assert products(*stages) == sum((products(stage) for stage in stages), Counter())


def test_a_planned_joint_update_costs_what_its_stages_cost(monkeypatch):
    monkeypatch.chdir(ROOT)
    plan = Plan(["schedule_check"])
    work = {job.rule: update_gflop(job) for job in plan if job.rule.startswith("train_")}
    joint = work.pop("train_agent")
    assert len(work) == 4 and sum(work.values()) == pytest.approx(joint)


def test_an_agents_own_products_pass_each_row_forward_and_backward():
    def passes(config, spaces):
        return [(config["rows"], spaces.observation_dim, 7), (1, 2, 3)]

    stage = Stage("agent", 1, (), products=passes)
    counted = update([stage], {"batch_size": 10, "rows": 4}, SPACES, joint=False)
    assert counted == Counter(
        {(40, 3, 7): 1, (40, 7, 3): 1, (3, 40, 7): 1, (10, 2, 3): 1, (10, 3, 2): 1, (2, 10, 3): 1}
    )
