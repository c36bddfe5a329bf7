"""Agents added from folders of their own: one Python file, one YAML, an experiment."""

from __future__ import annotations

import csv
import re
import subprocess
import sys

import pytest
import yaml

from .conftest import EXPERIMENT, ROOT, Project

pytestmark = pytest.mark.xdist_group("workflow")

AGENT = '''
from mac.agents.base import register
from mac.agents.mac import MAC


@register("mine")
class Mine(MAC):
    """MAC whose rollouts follow single samples of the behaviour."""

    def learn_values(self):
        return self.expand(self.behaviour.sample, ())
'''
PAGE = ROOT / "docs" / "how-to" / "add-an-agent.md"


def beside(project, files):
    """The project with an agent's files in folders beside it."""
    mine = project.folder.parent / "mine"
    for name, content in files.items():
        path = mine / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    project.variables = {
        "MAC_AGENT_PATH": str(mine / "agents"),
        "MAC_CONFIG_PATH": str(mine / "configs"),
    }
    return project


@pytest.fixture
def project(finished, tmp_path):
    """A clone of the finished work, and an agent that changes MAC."""
    experiment = EXPERIMENT | {
        "agents": {"mac": None, "mine": None},
        "baseline": "mac",
        "seeds": [0],
    }
    files = {
        "agents/mine.py": AGENT,
        "configs/agents/mine.yaml": "set: {}\n",
        "configs/experiments/own.yaml": yaml.safe_dump(experiment),
    }
    return beside(finished.clone(tmp_path / "clone"), files)


@pytest.fixture
def documented(tmp_path):
    """A fresh working copy, and the agent that the documentation writes from nothing."""
    named = re.compile(r"^`mine/(\S+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    files = dict(named.findall(PAGE.read_text()))
    assert sorted(name.rpartition(".")[2] for name in files) == ["py", "yaml", "yaml"]
    return beside(Project.create(tmp_path / "fresh"), files)


def test_it_runs_to_its_table_and_shares_all_but_what_its_code_changes(project, finished):
    assert project.planned("own") == {"train_value": 1, "evaluate": 1, "aggregate": 1, "render": 1}
    done = project.snakemake("own")
    assert done.returncode == 0, done.stdout
    results = project.folder / "results" / "own"
    assert "mine" in (results / "table.md").read_text()
    with (results / "scores.csv").open() as file:
        marks = {row["agent"]: row["fingerprint"] for row in csv.DictReader(file)}
    assert len(set(marks.values())) == 2
    before, after = finished.canonical(), project.canonical()
    new = {name.split("/")[3] for name in after.keys() - before.keys() if "stages" in name}
    assert {name.rpartition("-")[0] for name in new} == {"value", "evaluate"}
    assert f"evaluate-{marks['mine']}" in new
    assert {name: after[name] for name in before} == before


def test_the_documented_agent_keeps_what_every_agent_promises(documented):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contracts"]
    done = subprocess.run(
        [*command, "-k", "cloning"],
        cwd=ROOT,
        env=documented.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout  # it is 5 where nothing was tested


def test_the_documented_agent_learns_and_runs_to_its_table(documented):
    done = documented.snakemake("cloning_check")
    assert done.returncode == 0, done.stdout
    results = documented.folder / "results"
    assert "cloning" in (results / "cloning_check" / "table.md").read_text()
    (metrics,) = results.glob("stages/*/agent-*/seed0/metrics.csv")
    with metrics.open() as file:
        losses = [float(row["cloning_loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < 0.8 * losses[0]
