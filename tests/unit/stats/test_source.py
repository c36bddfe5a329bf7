import dataclasses
import shutil

import numpy as np
import pytest

from mac.errors import DataError
from mac.io import read_json, write_yaml
from mac.rng import stream
from mac.stats.aggregate import aggregate
from tests.unit.stats.rows import episode_rows, experiment, make_run, model_error_rows, save

RATES = {"mac": 0.6, "flow_bc": 0.2}


def acted(root):
    return experiment(root, RATES, seeds=3, value=("mac",), steps=(1000, 3000), episodes=8)


def measured(root):
    runs = []
    for seed in range(3):
        for length in (5, 10):
            run = make_run(
                f"n{length}", "scene-play", seed, agent="model_error", evaluator="model_error"
            )
            draws = stream(seed, "model", length)
            save(root, run, model_error_rows(run, 1e-4, draws, 150, length))
            runs.append(run)
    return runs


def run_aggregate(root, runs, mark, out="results/x"):
    artefacts = {run.path.rpartition("/")[0]: run.fingerprint for run in runs}
    return aggregate(
        runs, root / out, experiment="x", fingerprint=mark, root=root, artefacts=artefacts
    )


def contents(files):
    return {file.name: file.read_bytes() for file in files}


def record(root, runs):
    for run in runs:
        folder = (root / run.path).parent
        facts = {"rule": "evaluate", "seed": run.seed, "wall_seconds": 0.1, "files": {}}
        write_yaml(folder / "run.yaml", facts)


@pytest.fixture(params=[acted, measured])
def runs(request, tmp_path):
    runs = request.param(tmp_path)
    record(tmp_path, runs)
    return runs


def test_committed_rows_give_the_same_bytes_as_the_evaluations(tmp_path, runs):
    once = contents(run_aggregate(tmp_path, runs, "new"))
    shutil.rmtree(tmp_path / "results/x")
    run_aggregate(tmp_path, runs, "old")
    shutil.rmtree(tmp_path / "results/stages")
    assert contents(run_aggregate(tmp_path, runs, "new")) == once


def test_rows_come_from_both_places(tmp_path, runs):
    once = contents(run_aggregate(tmp_path, runs, "new"))
    shutil.rmtree(tmp_path / "results/x")
    first = [run for run in runs if run.label == runs[0].label]
    run_aggregate(tmp_path, first, "old")
    for run in first:
        shutil.rmtree((tmp_path / run.path).parent)
    assert contents(run_aggregate(tmp_path, runs, "new")) == once


def test_labels_may_change_and_share_rows(tmp_path, runs):
    first = [run for run in runs if run.label == runs[0].label]
    both = [dataclasses.replace(run, label=label) for label in ("a", "b") for run in first]
    once = contents(run_aggregate(tmp_path, both, "new"))
    shutil.rmtree(tmp_path / "results/x")
    three = [*both, *(dataclasses.replace(run, label="c") for run in first)]
    run_aggregate(tmp_path, three, "old")
    shutil.rmtree(tmp_path / "results/stages")
    assert contents(run_aggregate(tmp_path, both, "new")) == once


def test_an_evaluation_that_is_there_counts_before_what_is_committed(tmp_path):
    runs = acted(tmp_path)
    run_aggregate(tmp_path, runs, "old")
    rows = episode_rows(runs[0], 1.0, stream(1, "again"))
    save(tmp_path, runs[0], rows)
    files = run_aggregate(tmp_path, runs, "new")
    task = read_json(files[2])["agents"][runs[0].label]["tasks"][runs[0].tasks[0]]
    assert task["seed_means"]["0"] == np.mean(rows["success"][rows["step"] == max(runs[0].steps)])


def test_rows_that_are_not_committed_are_missing(tmp_path, runs):
    run_aggregate(tmp_path, runs[1:], "old")
    shutil.rmtree(tmp_path / "results/stages")
    with pytest.raises(DataError, match=f"1 of {len(runs)} evaluations are missing"):
        run_aggregate(tmp_path, runs, "new")


def test_changed_rows_are_refused_by_name(tmp_path, runs):
    files = run_aggregate(tmp_path, runs, "old")
    shutil.rmtree(tmp_path / "results/stages")
    rows = next(file for file in files if file.name in ("episodes.parquet", "model_error.csv"))
    rows.write_bytes(rows.read_bytes() + b"\n")
    message = rf"{rows.name}: file differs from its stamp; .*restore it \(git restore\)"
    with pytest.raises(DataError, match=message) as caught:
        run_aggregate(tmp_path, runs, "new")
    assert "\n" not in str(caught.value)
