"""The shipped experiment `smoke`: collection to tables on the real simulator."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow.parquet as pq

from mac.rows import EPISODES
from mac.stats.scores import SCORES

from .conftest import Project

RULES = {
    "collect": 1,
    "build": 1,
    "train_model": 2,
    "train_heads": 4,
    "train_behaviour": 2,
    "train_value": 4,
    "evaluate": 8,
    "diagnose": 4,
    "aggregate": 1,
    "render": 1,
}


def test_smoke_runs_the_whole_chain(tmp_path):
    project = Project.create(tmp_path / "project")
    assert project.planned("smoke") == RULES
    done = project.snakemake("smoke")
    assert done.returncode == 0, done.stdout
    assert project.planned("smoke") == {}

    folder = project.folder / "results" / "smoke"
    rows = pq.read_table(folder / "episodes.parquet")
    assert set(EPISODES.names) <= set(rows.column_names)
    assert rows.num_rows == 2 * 2 * 2 * (2 + 1)  # seeds, tasks, episodes; MAC has two checkpoints
    page = (folder / "report.html").read_text()
    assert 'id="candidates"' in page and 'id="films"' in page
    looks = json.loads((folder / "diagnostics.json").read_text())
    assert [one["candidates"] is not None for one in looks] == [
        one["label"] == "mac" for one in looks
    ]
    assert project.committed(tmp_path / "clone").planned("smoke") == {}
    scores = pd.read_csv(folder / "scores.csv")
    assert list(scores.columns) == list(SCORES)
    assert len(scores) == 2 * 2 * 2
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary["agents"]) == {"mac", "flow_bc"}
    assert {"mean", "std", "iqm", "ci_low", "ci_high", "seeds"} <= set(
        summary["agents"]["mac"]["overall"]
    )
    for suffix in ("md", "tex", "html"):
        text = (folder / f"table.{suffix}").read_text()
        assert "These numbers mean nothing" in " ".join(text.split())
