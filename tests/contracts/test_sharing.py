"""Which trained parts agents share: equal fingerprints must mean equal parts."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
import yaml

from mac.agents.base import Agent, register, registry
from mac.agents.mac import MAC
from mac.agents.stages import MODEL
from mac.config.load import flatten, sections
from mac.errors import ConfigError
from mac.nets.mlp import Init
from mac.planning.plan import Plan
from mac.training.run import build_agent
from mac.types import Spaces

ENVIRONMENT = {
    "dataset": "pointmass-play",
    "env_id": "pointmass",
    "tasks": 5,
    "observation_dim": 4,
    "action_dim": 2,
    "goal_dim": 2,
    "max_episode_steps": 60,
    "simulator": "toy",
}
SMALL = {
    "data.source": "collect",
    "steps": 6,
    "batch_size": 8,
    "chunk_length": 3,
    "outcome_length": 4,
    "model.hidden_dims": [8],
    "heads.hidden_dims": [8],
    "behaviour.hidden_dims": [8],
    "actor.hidden_dims": [8],
    "dynamics.hidden_dims": [8],
    "value": {"hidden_dims": [8], "critic_hidden_dims": [8], "rollout_length": 2},
}


def small(agents):
    """What ``SMALL`` says to some of the agents."""
    known = {key for name in agents for key in sections(registry()[name].Config)}
    return {key: value for key, value in flatten(SMALL, "test") if key in known}


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Plans every given agent on one task with small networks."""
    monkeypatch.setenv("MAC_CONFIG_PATH", str(tmp_path))
    for kind in ("suites", "experiments", "agents"):
        (tmp_path / kind).mkdir()

    def plan(agents, mode, schedule):
        suite = {"mode": mode, "environments": {"pointmass": ENVIRONMENT}}
        name = f"{mode}-{schedule}-{'-'.join(agents)}"
        experiment = {
            "title": "t",
            "caption": "c",
            "suites": {mode: {"pointmass": [1]}},
            "agents": dict.fromkeys(agents),
            "seeds": [0],
            "set": {**small(agents), "schedule": schedule},
        }
        (tmp_path / "suites" / f"{mode}.yaml").write_text(yaml.safe_dump(suite))
        (tmp_path / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump(experiment))
        for agent in agents:
            if not registry()[agent].__module__.startswith("mac.agents."):
                (tmp_path / "agents" / f"{agent}.yaml").write_text("set: {}\n")
        found = Plan([name])
        by_agent = {}
        for run in found.runs[name]:
            jobs = [job for job in run.job.ancestors() if job.rule.startswith("train_")]
            by_agent[run.label] = {job.stage.name: job for job in jobs}
        return by_agent

    return plan


def shape(job):
    """Types, parameter names and shapes of what a job trains."""
    parts = build_agent(job).parts
    return {
        part.name: (
            type(parts[part.name]),
            [(name, tuple(p.shape)) for name, p in parts[part.name].named_parameters()],
        )
        for part in job.stage.members
    }


BUILT_IN = [n for n, cls in registry().items() if cls.__module__.startswith("mac.agents.")]


@pytest.mark.parametrize("schedule", ["staged", "joint"])
@pytest.mark.parametrize("mode", ["reward", "goal"])
def test_equal_fingerprints_mean_equal_parts(plan, mode, schedule):
    names = [name for name in BUILT_IN if mode in registry()[name].modes]
    acting = [name for name in names if registry()[name].evaluator == "episodes"]
    found = plan(acting, mode, schedule)
    found |= plan([name for name in names if name not in acting], mode, schedule)
    for one, other in combinations(found.values(), 2):
        for name in one.keys() & other.keys():
            if one[name].fingerprint == other[name].fingerprint:
                assert shape(one[name]) == shape(other[name])


@pytest.mark.parametrize("mode", ["reward", "goal"])
def test_agents_share_the_parts_that_one_function_makes(plan, mode):
    found = plan(["mac", "flow_bc", "mac_gau"], mode, "staged")
    found |= plan(["model_error"], mode, "staged")

    def share(one, other, stage):
        return found[one][stage].directory == found[other][stage].directory

    assert share("mac", "flow_bc", "behaviour")
    assert share("mac", "model_error", "model")
    assert share("mac", "mac_gau", "model") and share("mac", "mac_gau", "heads")
    assert not share("mac", "mac_gau", "behaviour") and not share("mac", "mac_gau", "value")


@pytest.fixture
def mine():
    """Registers agents for one test."""
    from mac.agents import base

    before = dict(base._REGISTRY)
    yield register
    base._REGISTRY.clear()
    base._REGISTRY.update(before)


def test_an_agent_with_code_of_its_own_has_a_value_stage_of_its_own(plan, mine):
    @mine("mine")
    class Mine(MAC):
        def learn_values(self):
            raise NotImplementedError

    found = plan(["mac", "mine"], "reward", "staged")
    different = {n for n in found["mac"] if found["mac"][n] is not found["mine"][n]}
    assert different == {"value"}
    joint = plan(["mac", "mine"], "reward", "joint")
    assert joint["mac"]["joint"].fingerprint != joint["mine"]["joint"].fingerprint


@pytest.mark.parametrize("mode", ["reward", "goal"])
def test_an_agent_of_single_steps_may_have_a_value_estimate(plan, mine, mode):
    @mine("mine")
    class Mine(registry()["random"]):
        def value(self, observations, goals):
            raise NotImplementedError

    assert plan(["mac", "mine"], mode, "joint")["mine"] == {}


def test_revisions_of_joint_parts_cannot_cancel(plan, monkeypatch):
    marks = set()
    for raised in range(3):
        stages = [replace(s, revision=1 + (i == raised)) for i, s in enumerate(MAC.stages)]
        monkeypatch.setattr(MAC, "stages", tuple(stages))
        marks.add(plan(["mac"], "reward", "joint")["mac"]["joint"].fingerprint)
    assert len(marks) == 3


def test_a_name_is_given_once(mine):
    with pytest.raises(ConfigError, match=r"test_sharing.py: mac: two agents.*agents/mac.py"):

        @mine("mac")
        class Other(MAC):
            pass

    assert registry()["mac"] is MAC


def test_parts_that_do_not_match_the_stages_are_named(mine):
    @mine("mine")
    class Mine(Agent):
        Config = MAC.Config
        stages = (MODEL,)
        acts_with = ("model",)

        def build(self):
            return {"modle": None}

    config = Mine.Config.model_validate({"agent": "mine", "mode": "goal"})
    with pytest.raises(ConfigError, match="found model, modle; expected model"):
        Mine(config, Spaces(4, 0, 2), Init(0))
