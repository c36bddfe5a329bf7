"""An agent added from folders of its own: one Python file, one YAML, an experiment."""

from __future__ import annotations

import csv

import pytest
import yaml

from .conftest import EXPERIMENT

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


@pytest.fixture
def project(finished, tmp_path):
    """A clone of the finished work, and the agent's folders beside it."""
    files = {
        "agents/mine.py": AGENT,
        "configs/agents/mine.yaml": "set: {}\n",
        "configs/experiments/own.yaml": yaml.safe_dump(
            EXPERIMENT | {"agents": {"mac": None, "mine": None}, "baseline": "mac", "seeds": [0]}
        ),
    }
    for name, content in files.items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    clone = finished.clone(tmp_path / "clone")
    clone.variables = {
        "MAC_AGENT_PATH": str(tmp_path / "mine" / "agents"),
        "MAC_CONFIG_PATH": str(tmp_path / "mine" / "configs"),
    }
    return clone


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
