"""The real workflow on a toy environment: done-ness, interruption, errors."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import time

import pytest
import yaml

from mac.revisions import Folder
from mac.stats.committed import read_results

from .conftest import BIN, EXPERIMENT, ROOT, Project

pytestmark = pytest.mark.xdist_group("workflow")  # the tests share one run

ALL = {
    "train_model": 2,
    "train_heads": 2,
    "train_behaviour": 2,
    "train_value": 2,
    "evaluate": 4,
    "aggregate": 1,
    "render": 1,
}


def changed(key, value):
    return {**EXPERIMENT, "set": {**EXPERIMENT["set"], key: value}}


def test_ends_with_tables_and_figures(finished):
    results = finished.folder / "results" / "tiny"
    tables = ("table.md", "table.tex", "table.csv", "report.html")
    for name in ("scores.csv", "summary.json", *tables):
        assert (results / name).stat().st_size > 0
    assert len((results / "scores.csv").read_text().splitlines()) == 1 + 2 * 2
    assert not list((finished.folder / "results" / ".resume").rglob("state"))
    runs = json.loads((results / "runs.json").read_text()).values()
    assert sum(run["rule"] == "evaluate" for run in runs) == 4
    assert sum(run["rule"].startswith("train_") for run in runs) == 8
    assert all(len(run["data"]) == 12 for run in runs if run["rule"] == "build")
    assert all(run["wall_seconds"] > 0 and run["files"] for run in runs)
    assert {run["revision"] for run in runs if run["rule"] == "evaluate"} == {1}


def test_committed_records_lead_to_the_stages_that_seeds_share(finished):
    committed = read_results(Folder(finished.folder), "tiny")
    known = {(run["fingerprint"], run.get("seed")): run["rule"] for run in committed.runs.values()}
    (mark,) = set(committed.cells.loc["mac"]["fingerprint"])
    rules = sorted(known[found, 1] for found in committed.artefacts(mark, 1))
    assert rules == ["evaluate", "train_behaviour", "train_heads", "train_model", "train_value"]
    assert set(committed.data(mark, 1)) == {"store", "data"}


def test_everything_has_a_record_of_its_origin(finished):
    written = {*finished.folder.glob("data/*/*/"), *finished.folder.glob("results/stages/*/*/*/")}
    assert len(written) == 2 + 8 + 4
    for folder in written:
        record = yaml.safe_load((folder / "run.yaml").read_text())
        names = {file.name for file in folder.iterdir()} - {"run.yaml"}
        assert record["files"].keys() == names
        for path, mark in record["read"].items():
            found = hashlib.sha256((finished.folder / path).read_bytes()).hexdigest()
            assert found == mark, path
        assert record["config"]["batch_size"] == 16
        assert record["origins"]["batch_size"] == "configs/experiments/tiny.yaml"
    built = finished.folder / "results/tiny/built"
    rules = [yaml.safe_load(path.read_text())["rule"] for path in sorted(built.glob("*.run.yaml"))]
    assert rules == ["aggregate", "render"]


def test_snakemakes_own_report_shows_the_page_and_the_figures_with_captions(finished, tmp_path):
    clone = finished.clone(tmp_path / "clone")
    done = clone.snakemake("--report", "snakemake.html", "tiny")
    assert done.returncode == 0, done.stdout
    page = (clone.folder / "snakemake.html").read_text()
    for name in ("report", "intervals", "curves", "profiles"):
        caption = (ROOT / f"workflow/report/{name}.rst").read_text()
        assert " ".join(caption.split()[:5]) in page, name
    assert not re.search(r"(src|href)=.?https?://", page)


def test_the_joint_schedule_trains_an_agent_in_one_job(finished, tmp_path):
    clone = finished.clone(tmp_path / "clone")
    clone.write("experiments/tiny", changed("schedule", "joint"))
    tables = {"evaluate": 2, "aggregate": 1, "render": 1}
    # An agent of one stage is trained alike on either schedule: what is done of it stays done.
    assert clone.planned("tiny") == {"train_agent": 2, **tables}
    done = clone.snakemake("tiny")
    assert done.returncode == 0, done.stdout
    assert clone.planned("tiny") == {}
    assert len((clone.folder / "results/tiny/scores.csv").read_text().splitlines()) == 1 + 2 * 2


def test_a_clone_without_metadata_has_nothing_to_do(finished, tmp_path):
    assert finished.clone(tmp_path / "clone").planned("tiny") == {}


def test_modification_times_mean_nothing(finished, tmp_path):
    clone = finished.clone(tmp_path / "clone")
    clock = random.Random(0)
    for path in (clone.folder / "results").rglob("*"):
        moment = time.time() + clock.uniform(-1e6, 1e6)
        os.utime(path, (moment, moment))
    assert clone.planned("tiny") == {}
    built = clone.folder / "results/tiny/built"
    (rows,) = built.glob("aggregate-*.json")
    os.utime(rows, (time.time() + 1e6,) * 2)  # what reads it must not fail for being older
    for stamp in built.glob("render-*"):
        stamp.unlink()
    done = clone.snakemake("tiny")
    assert done.returncode == 0, done.stdout
    assert clone.planned("tiny") == {}


def test_rows_that_nothing_vouches_for_are_made_again(finished, tmp_path):
    """As the message on damaged ones says; the tables' own stamp is there and holds."""
    clone = finished.clone(tmp_path / "clone")
    (rows,) = clone.folder.glob("results/tiny/built/aggregate-*.json")
    rows.unlink()
    assert clone.planned("tiny") == {"aggregate": 1, "render": 1}


def test_what_is_committed_is_enough(finished, tmp_path):
    clone = finished.committed(tmp_path / "clone")
    assert clone.planned("tiny") == {}
    clone.write("experiments/tiny", changed("report.checkpoint", "mean_last_3"))
    assert clone.planned("tiny") == {"aggregate": 1, "render": 1}


def test_one_more_agent_in_a_clone_is_all_that_is_trained(finished, tmp_path):
    """Rows that were committed and rows that are still with the stages give the same bytes."""
    whole, clone = finished.clone(tmp_path / "whole"), finished.committed(tmp_path / "clone")
    own = {"train_behaviour": 2, "collect": 1, "build": 1}
    tables = {"evaluate": 2, "aggregate": 1, "render": 1}
    for project, expected in ((whole, tables), (clone, own | tables)):
        agents = {**EXPERIMENT["agents"], "bc": {"agent": "flow_bc", "set": {"act_by": "flow"}}}
        project.write("experiments/tiny", EXPERIMENT | {"agents": agents})
        assert project.planned("tiny") == expected
        done = project.snakemake("tiny")
        assert done.returncode == 0, done.stdout
        assert project.planned("tiny") == {}
    some, every = clone.canonical(), whole.canonical()
    assert {"results/tiny/episodes.parquet", "results/tiny/table.md"} <= some.keys() < every.keys()
    assert [name for name in some if some[name] != every[name]] == []
    runs = [(p.folder / "results/tiny/runs.json").read_text() for p in (whole, clone)]
    assert json.loads(runs[0]).keys() == json.loads(runs[1]).keys()


def test_committed_rows_that_were_changed_are_refused_in_one_line(finished, tmp_path):
    clone = finished.committed(tmp_path / "clone")
    clone.write("experiments/tiny", EXPERIMENT | {"seeds": [0, 1, 2]})
    rows = clone.folder / "results" / "tiny" / "episodes.parquet"
    rows.write_bytes(rows.read_bytes()[:-1])
    for arguments in (["-n"], []):
        done = clone.snakemake(*arguments, "tiny")
        assert done.returncode != 0
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("mac:")]
        assert "episodes.parquet: file differs from its stamp" in line
        assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (
            "value",
            {**EXPERIMENT["set"]["value"], "td_lambda": 0.5},
            {"train_value": 2, "evaluate": 2},
        ),
        ("heads.hidden_dims", [8], {"train_heads": 2, "train_value": 2, "evaluate": 2}),
        ("report.checkpoint", "mean_last_3", {}),
        ("batch_size", 8, {k: v for k, v in ALL.items() if k not in ("aggregate", "render")}),
    ],
)
def test_a_changed_value_plans_exactly_what_depends_on_it(finished, tmp_path, key, value, expected):
    clone = finished.clone(tmp_path / "clone")
    clone.write("experiments/tiny", changed(key, value))
    assert clone.planned("tiny") == {**expected, "aggregate": 1, "render": 1}


def test_comments_plan_nothing(finished, tmp_path):
    clone = finished.clone(tmp_path / "clone")
    path = clone.folder / "configs" / "experiments" / "tiny.yaml"
    path.write_text("# comment\n" + path.read_text())
    assert clone.planned("tiny") == {}


def test_a_table_that_disagrees_with_its_stamp_is_refused_in_one_line(finished, tmp_path):
    clone = finished.clone(tmp_path / "clone")
    table = clone.folder / "results" / "tiny" / "table.md"
    table.write_text(table.read_text() + "\nbetter\n")
    done = clone.snakemake("-n", "tiny")
    assert done.returncode != 0
    lines = [line for line in done.stdout.splitlines() if line.startswith("mac:")]
    assert len(lines) == 1
    assert "table.md: file differs from its stamp" in lines[0]
    assert "Traceback" not in done.stdout


def test_going_back_to_old_values_rebuilds_the_table(finished, tmp_path):
    """Tables have fixed names: an old stamp must not vouch for newer files."""
    clone = finished.clone(tmp_path / "clone")
    clone.write("experiments/tiny", changed("report.checkpoint", "mean_last_3"))
    assert clone.snakemake("tiny").returncode == 0
    clone.write("experiments/tiny", EXPERIMENT)
    assert clone.planned("tiny") == {"aggregate": 1, "render": 1}


def half_trained(resume):
    """Whether some training has saved a state; folders of other work vanish while one looks."""
    try:
        return any(resume.glob("pointmass-play*/*/seed*/state"))
    except FileNotFoundError:
        return False


def test_one_core_and_a_killed_run_give_the_same_bytes(finished, tmp_path):
    project = Project.create(tmp_path / "killed")
    slow = {**EXPERIMENT, "set": {**EXPERIMENT["set"], "compute.save_every_s": 0.01}}
    project.write("experiments/tiny", slow)
    process = subprocess.Popen(
        [BIN / "snakemake", "--cores", "1", "tiny"],
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    resume = project.folder / "results" / ".resume"
    deadline = time.monotonic() + 120
    while not half_trained(resume) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert process.poll() is None, "nothing was left to kill"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    project.snakemake("--unlock", "tiny")
    done = project.snakemake("tiny", cores=1)
    assert done.returncode == 0, done.stdout
    whole, again = finished.canonical(), project.canonical()
    assert whole.keys() == again.keys()
    assert [name for name in whole if whole[name] != again[name]] == []


def test_damaged_data_fail_with_one_clear_line_and_spare_the_rest(finished, tmp_path):
    clone = finished.clone(tmp_path / "clone")
    clone.write("experiments/tiny", changed("batch_size", 8))
    store = next((clone.folder / "data" / "stores").iterdir())
    path = store / "train_rewards.npy"
    path.write_bytes(path.read_bytes()[:-64])
    done = clone.snakemake("--quiet", "host", "--", "tiny")  # as `make quick` does
    assert done.returncode != 0
    assert "train_rewards.npy" in done.stdout
    assert "what is done stays done: run the same command again to go on\n" in done.stdout
    assert "Traceback" not in done.stdout and "Platform:" not in done.stdout


def test_every_shipped_experiment_plans(tmp_path):
    project = Project.create(tmp_path / "fresh")
    names = [p.stem for p in (ROOT / "configs" / "experiments").glob("*.yaml")]
    done = project.snakemake("-n", *names)
    assert done.returncode == 0, done.stdout
    listed = yaml.safe_load((ROOT / "configs" / "config.yaml").read_text())["experiments"]
    assert set(listed) <= set(names)


def test_a_gpu_experiment_runs_nothing_without_a_gpu(tmp_path):
    project = Project.create(tmp_path / "fresh")
    if any(name.startswith("nvidia") for name in os.listdir("/dev")):
        pytest.skip("this machine has a GPU")
    done = project.snakemake("model_error")
    assert done.returncode != 0
    assert "needs a GPU" in done.stdout and "snakemake --cores all quick" in done.stdout
    assert not (project.folder / "data").exists()
