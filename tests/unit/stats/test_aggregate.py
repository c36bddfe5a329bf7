import csv
import dataclasses
import json
import math
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mac.errors import ConfigError, DataError
from mac.io import read_json, write_json, write_yaml
from mac.rng import stream
from mac.stamps import REVISIONS, check_stamp, committed
from mac.stats.aggregate import aggregate, read_summary
from tests.unit.stats.rows import episode_rows, experiment, make_run, model_error_rows, save

GOLDEN = Path(__file__).with_name("golden.json")
NAMES = ["episodes.parquet", "scores.csv", "summary.json", "aggregate-f.json"]


def run_aggregate(root, runs, out="results/x", **arguments):
    settings = {"experiment": "x", "fingerprint": "f", "root": root, **arguments}
    return aggregate(runs, root / out, **settings)


@pytest.fixture
def runs(tmp_path):
    return experiment(tmp_path, {"mac": 0.6, "flow_bc": 0.2}, seeds=4, steps=(10, 20, 30))


def test_it_writes_the_promised_files_and_their_stamp(tmp_path, runs):
    files = run_aggregate(tmp_path, runs)
    assert [file.name for file in files] == NAMES
    stamp = read_json(files[-1])
    assert list(stamp["evaluations"]) == sorted(run.path for run in runs)
    assert sorted(stamp["files"]) == NAMES[:3]
    check_stamp(files[-1])
    rows = pq.read_table(files[0])
    assert rows.num_rows == 16 * 3 * 50  # every checkpoint, not only the reported
    with files[1].open() as file:
        scores = list(csv.DictReader(file))
    assert len(scores) == 2 * 2 * 4
    assert {row["experiment"] for row in scores} == {"x"}
    assert {row["episodes"] for row in scores} == {"50"} and {row["step"] for row in scores} == {
        "30"
    }


def test_the_checkpoint_rule_reaches_scores_and_summary(tmp_path, runs):
    run_aggregate(tmp_path, runs, checkpoint="mean_last_3")
    with (tmp_path / "results/x/scores.csv").open() as file:
        assert {row["episodes"] for row in csv.DictReader(file)} == {"150"}
    assert read_summary(tmp_path / "results/x")["checkpoint"] == "mean_last_3"


def test_equal_rows_give_equal_bytes_in_any_order(tmp_path, runs):
    one = run_aggregate(tmp_path, runs)
    content = {file.name: file.read_bytes() for file in one}
    interleaved = sorted(runs, key=lambda run: (run.seed, run.label != "mac"))
    two = run_aggregate(tmp_path, interleaved, out="results/y")
    assert content == {file.name: file.read_bytes() for file in two}


def test_scores_agree_with_the_rows_they_come_from(tmp_path, runs):
    run_aggregate(tmp_path, runs)
    rows = pq.read_table(tmp_path / "results/x/episodes.parquet").to_pylist()
    with (tmp_path / "results/x/scores.csv").open() as file:
        for score in csv.DictReader(file):
            own = [
                row
                for row in rows
                if row["task"] == score["task"]
                and row["agent"] == score["agent"]
                and row["seed"] == int(score["seed"])
                and row["step"] == 30
            ]
            rate = sum(row["success"] for row in own) / len(own)
            assert float(score["success_rate"]) == rate
            mean = math.fsum(row["return"] for row in own) / len(own)
            assert float(score["return_mean"]) == pytest.approx(mean, rel=1e-12)


def test_a_missing_evaluation_is_an_error_unless_allowed(tmp_path, runs):
    (tmp_path / runs[3].path).unlink()
    with pytest.raises(DataError, match="1 of 16 evaluations are missing") as caught:
        run_aggregate(tmp_path, runs)
    assert runs[3].path in str(caught.value)
    files = run_aggregate(tmp_path, runs, allow_missing=True)
    # Its stamp vouches for the rows there are, not for the job.
    assert [file.name for file in files] == [*NAMES[:3], "aggregate-f-in-part.json"]
    assert len(committed(tmp_path / "results/x")) == 15
    shutil.rmtree(tmp_path / "results")
    with pytest.raises(DataError, match="no evaluation of this experiment exists"):
        run_aggregate(tmp_path, runs, allow_missing=True)


def test_rows_of_another_version_are_refused(tmp_path, runs):
    save(tmp_path, runs[5], episode_rows(runs[5], 0.5, stream(0), ogbench="1.1.0"))
    with pytest.raises(DataError, match="ogbench: not comparable"):
        run_aggregate(tmp_path, runs)
    assert not (tmp_path / "results/x").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda runs: [], "without runs"),
        (
            lambda runs: [*runs, dataclasses.replace(runs[0], evaluator="model_error")],
            "share an evaluator",
        ),
        (lambda runs: [*runs, runs[0]], "two evaluations of mac"),
        (
            lambda runs: [*runs, dataclasses.replace(runs[0], path="elsewhere")],
            "two evaluations of mac on cube-single-play-singletask-task1-v0 with seed 0",
        ),
    ],
)
def test_runs_that_cannot_share_a_table_are_refused(tmp_path, runs, change, message):
    with pytest.raises(ConfigError, match=message):
        run_aggregate(tmp_path, change(runs))


def test_an_unknown_baseline_is_refused(tmp_path, runs):
    with pytest.raises(ConfigError, match="found iql; expected mac, flow_bc"):
        run_aggregate(tmp_path, runs, baseline="iql")


def test_two_labels_may_share_one_evaluation(tmp_path, runs):
    mac = [run for run in runs if run.label == "mac"]
    again = [dataclasses.replace(run, label="mac_n10") for run in mac]
    run_aggregate(tmp_path, [*mac, *again])
    summary = read_summary(tmp_path / "results/x")
    assert summary["comparisons"][0]["overall"]["difference"] == 0.0
    assert summary["agents"]["mac_n10"]["algorithm"] == "mac"


def test_model_error_has_a_table_of_its_own(tmp_path):
    run = make_run("n10", "scene-play", 0, agent="model_error", evaluator="model_error", episodes=0)
    save(tmp_path, run, model_error_rows(run, 1e-4, stream(0)))
    files = run_aggregate(tmp_path, [run])
    assert [file.name for file in files] == ["model_error.csv", *NAMES[2:]]
    with files[0].open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 11 and rows[0]["horizon"] == "0" and rows[0]["agent"] == "n10"


def test_another_file_is_no_summary(tmp_path):
    write_json(tmp_path / "summary.json", {"agents": {}})
    with pytest.raises(DataError, match="not a summary"):
        read_summary(tmp_path)


def numbers(value, path=()):
    """Every number of a JSON value by its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from numbers(inner, (*path, str(index)))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield "/".join(path), float(value)


def test_numbers_are_tied_to_the_revision(tmp_path):
    """Whoever moves a number raises mac.stamps.REVISIONS["aggregate"] and renews golden.json.

    Then every committed result counts as to be built again.
    """
    rates = {"mac": 0.7, "flow_bc": 0.25}
    runs = experiment(tmp_path, rates, tasks=5, seeds=4, steps=(1, 2, 3, 4), value=("mac",))
    run_aggregate(tmp_path, runs, checkpoint="mean_last_3", baseline="flow_bc")
    summary = read_summary(tmp_path / "results/x")
    found = {
        **dict(numbers(summary["agents"]["mac"]["overall"], ("mac",))),
        **dict(numbers(summary["agents"]["flow_bc"]["overall"], ("flow_bc",))),
        **dict(numbers(summary["comparisons"][0]["overall"], ("difference",))),
    }
    golden = json.loads(GOLDEN.read_text())
    assert golden["revision"] == REVISIONS["aggregate"], f"renew {GOLDEN.name}: {found}"
    assert found == pytest.approx(golden["numbers"], rel=1e-9), "raise the revision"


def test_what_is_known_of_the_runs_is_kept_and_stamped(tmp_path, runs):
    folder = str(Path(runs[0].path).parent)
    facts = {"rule": "evaluate", "seed": 0, "wall_seconds": 1.5, "files": {}}
    record = {**facts, "config": {"steps": 3}}
    write_yaml(tmp_path / folder / "run.yaml", record)
    store = {"rule": "build", "files": {}, "data": "ab"}
    write_yaml(tmp_path / "data/stores/cube-2/run.yaml", store)
    artefacts = {folder: "1", "data/stores/cube-2": "2", "results/stages/lost": "3"}
    files = run_aggregate(tmp_path, runs, artefacts=artefacts)
    known = read_json(tmp_path / "results/x/runs.json")
    assert known[folder] == {**facts, "fingerprint": "1"}
    assert known["data/stores/cube-2"] == {**store, "fingerprint": "2"}
    assert len(known) == 2
    assert "runs.json" in read_json(files[-1])["files"]
    assert "runs.json" not in [file.name for file in run_aggregate(tmp_path, runs)]
    assert not (tmp_path / "results/x/runs.json").exists()
