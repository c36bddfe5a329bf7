"""A part of ``baselines_quick`` with its own settings: agents learn, and predict what is new."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from mac.agents.base import agent_class, registry
from mac.cli import main
from mac.config.load import flatten, sections
from mac.data.store import Store
from mac.planning import files
from mac.planning.experiment import Experiment
from mac.planning.plan import Plan
from mac.rng import stream
from mac.training.run import build_agent, view
from mac.training.update import Update, adam
from tests.architecture.source import ROOT

CONTENT = yaml.safe_load((ROOT / "configs/experiments/baselines_quick.yaml").read_text())
PLAYED = ("random", "iql", "gciql")
# What is learnt from data alone, so that it can be checked on data held out.
PREDICTIONS = {"dynamics_loss", "flow_loss", "distill_loss", "bc_loss", "success_loss"}
PREDICTIONS |= {"reward_loss", "plan_loss", "high_loss", "low_loss"}
# The paper scores them about 0 in places, where success cannot tell learning from a mistake.
PREDICTING = {"fmpc", "leq", "leq_fixed", "diffuser", "hd_da"}

IMAGINING = {"mopo", "mobile"}  # they first fill a buffer; LEQ's dynamics are theirs


@pytest.fixture
def part(tmp_path, monkeypatch):
    """Writes a part of the experiment, one seed, the toy alone; returns its plan."""

    def write(labels):
        content = {**CONTENT, "seeds": [0], "diagnose": False}
        suites = {name: value for name, value in CONTENT["suites"].items() if "toy" in name}
        agents = {label: CONTENT["agents"][label] for label in labels}
        for entry in agents.values():
            entry.pop("tuning", None)
            if "suites" in entry:
                entry["suites"] = {n: v for n, v in entry["suites"].items() if n in suites}
        (tmp_path / "own/experiments").mkdir(parents=True, exist_ok=True)
        known = {key for label in labels for key in sections(agent_class(label).Config)}
        values = {k: v for k, v in flatten(CONTENT["set"], "set") if k in known}
        text = yaml.safe_dump(
            {**content, "suites": suites, "agents": agents, "set": values, "suite_set": {}},
            sort_keys=False,
        )
        (tmp_path / "own/experiments/part.yaml").write_text(text)
        files.read_config.cache_clear()
        return Plan(["part"])

    monkeypatch.setenv("MAC_CONFIG_PATH", f"{tmp_path / 'own'}:{ROOT / 'configs'}")
    monkeypatch.chdir(tmp_path)
    return write


def run(job):
    """Carry out a job as the workflow does."""
    verb = ["data", job.rule] if job.rule in ("collect", "build") else [job.rule.replace("_", "-")]
    options = [job.experiment] if job.rule in ("aggregate", "render") else job.options
    main.main([*verb, *options], standalone_mode=False)


def test_every_agent_has_its_part_and_every_mode():
    """The experiment compares all agents that play, in all their modes."""
    found = {(c.label, c.resolved.config.mode) for c in Experiment("baselines_quick").cells}
    playing = {n: a for n, a in registry().items() if a.evaluator == "episodes"}
    built_in = {n: a for n, a in playing.items() if a.__module__.startswith("mac.agents.")}
    assert found == {(name, mode) for name, agent in built_in.items() for mode in agent.modes}


def test_agents_solve_the_toy_and_random_actions_do_not(part):
    """Success of at least 80 % where random actions have at most 20 %, p < 0.05."""
    for job in part(PLAYED):
        run(job)
    summary = json.loads(Path("results/part/summary.json").read_text())
    environments = {e["name"]: e["mode"] for e in summary["environments"]}
    assert set(environments.values()) == {"reward", "goal"}
    for name in environments:
        assert summary["agents"]["random"]["environments"][name]["mean"] <= 0.2
    judged = set()
    for pair in summary["comparisons"]:
        for name, entry in pair["environments"].items():
            own = summary["agents"][pair["agent"]]["environments"][name]
            assert own["episodes"] >= 50
            assert entry["p_value"] < 0.05, (pair["agent"], name)
            assert own["mean"] >= 0.8, (pair["agent"], name)
            judged.add((pair["agent"], environments[name]))
    assert judged == {("iql", "reward"), ("gciql", "goal")}
    assert "tuning |" in Path("results/part/table.md").read_text()


def held_out_losses(job, updates=150):
    """Losses of a training job's predictions on held-out data, before and after some updates."""
    agent = build_agent(job)
    store, parts = Store.open(job.store), [agent.parts[m.name] for m in job.stage.members]
    update = Update(parts, adam(parts, agent.config.optimiser))
    generator = torch.Generator().manual_seed(0)

    def draw(split, size, counter):
        rows = view(job.stage.view, job, agent.config, store, store.split(split)).sample(
            stream(0, split, counter=counter), size
        )
        draws = update.draws(size).items()
        noise = {name: draw.sample(generator, torch.device("cpu")) for name, draw in draws}
        return rows.map(torch.from_numpy), noise

    held_out = draw("validation", 512, 0)

    def losses():
        with torch.no_grad():
            found = [loss for part in parts for loss in part.losses(*held_out)]
        return {loss.name: loss.value.item() for loss in found if loss.name in PREDICTIONS}

    before = losses()
    for counter in range(updates):
        update(*draw("train", 64, counter))
    return before, losses()


def test_predictions_improve_on_data_held_out(part):
    """Of every stage that learns from data alone."""
    seen = set()
    for job in part(CONTENT["agents"]):
        if job.rule in ("collect", "build"):
            run(job)
        if job.rule.startswith("train_") and not job.stage.needs and job.label not in IMAGINING:
            before, after = held_out_losses(job)
            for name, value in after.items():
                assert value < 0.95 * before[name], (job.label, job.stage.name, name)
            seen |= {job.label} if after else set()
    assert PREDICTING & set(CONTENT["agents"]) <= seen
