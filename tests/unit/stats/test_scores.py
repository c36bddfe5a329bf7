import csv

import numpy as np
import pandas as pd
import pytest

from mac.errors import ConfigError
from mac.rng import stream
from mac.stats.rows import value_gap
from mac.stats.sampling import sampling_variance
from mac.stats.scores import (
    MODEL_ERROR,
    SCORES,
    by_episode,
    cells,
    matrix,
    model_error_cells,
    read_runs,
    reported,
    value_cells,
    write_csv,
)
from tests.unit.stats.rows import episode_rows, make_run, model_error_rows

TASKS = tuple(f"scene-play-singletask-task{k}-v0" for k in (1, 2))


@pytest.fixture
def rows():
    frames = []
    for label, steps in (("mac", (100, 200, 300, 400)), ("flow_bc", (500,))):
        for task in TASKS:
            for seed in (0, 1, 5):
                run = make_run(label, task, seed, steps=steps, episodes=6)
                frame = episode_rows(run, 0.5, stream(seed, label, task))
                frame["value_estimate"] = np.nan
                if label != "flow_bc":  # above some returns, below others
                    frame["value_estimate"] = frame["seed"] / 5 - 8.0 + 4.0 * (frame["episode"] % 2)
                frames.append(frame.assign(value_gap=value_gap(frame, followed=True)))
    return pd.concat(frames, ignore_index=True)


def slow_score(rows, agent, task, seed, count):
    """Success rate over the last ``count`` checkpoints, row by row."""
    own = [
        row
        for row in rows.to_dict("records")
        if (row["agent"], row["task"], row["seed"]) == (agent, task, seed)
    ]
    last = sorted({row["step"] for row in own})[-count:]
    used = [row for row in own if row["step"] in last]
    return sum(row["success"] for row in used) / len(used), len(used), len(last), used


@pytest.mark.parametrize(("rule", "count"), [("last", 1), ("mean_last_3", 3)])
def test_the_rule_chooses_the_checkpoints(rows, rule, count):
    mixed = reported(rows.sample(frac=1, random_state=1), rule)
    found = cells(mixed).join(value_cells(mixed))
    assert len(found) == 12
    for (agent, task, seed), cell in found.iterrows():
        rate, episodes, checkpoints, used = slow_score(rows, agent, task, seed, count)
        assert cell["score"] == pytest.approx(rate)
        assert (cell["episodes"], cell["checkpoints"]) == (episodes, checkpoints)
        assert cell["step"] == max(row["step"] for row in used)
        assert cell["return_mean"] == pytest.approx(np.mean([row["return"] for row in used]))
        gaps = np.array([row["value_estimate"] - row["discounted_return"] for row in used])
        assert cell["value_bias"] == pytest.approx(gaps.mean(), nan_ok=True)
        assert cell["value_error"] == pytest.approx(np.abs(gaps).mean(), nan_ok=True)
        assert cell["fingerprint"] == f"fp-{agent}"


def test_what_was_cut_short_and_not_followed_leaves_the_value_error_unknown(rows):
    gap = value_gap(rows, followed=False)
    assert gap.isna().equals(~rows["success"] | rows["value_estimate"].isna())
    mine = (rows["agent"] == "mac") & (rows["seed"] == 0) & (rows["task"] == TASKS[0])
    found = value_cells(rows.assign(value_gap=rows["value_gap"].where(~mine | rows["success"])))
    for (agent, task, seed), cell in found.iterrows():
        unknown = agent == "flow_bc" or (task, seed) == (TASKS[0], 0)
        assert np.isnan(cell["value_bias"]) == np.isnan(cell["value_error"]) == unknown


def test_a_run_with_one_checkpoint_counts_with_it(rows):
    found = cells(reported(rows, "mean_last_3"))
    assert set(found.loc["flow_bc", "checkpoints"]) == {1}
    assert set(found.loc["mac", "checkpoints"]) == {3}


def test_unknown_rules_are_refused(rows):
    with pytest.raises(ConfigError, match=r"report.checkpoint.*found best; expected last or mean"):
        reported(rows, "best")


def test_an_episode_number_is_one_draw(rows):
    used = reported(rows, "mean_last_3")
    draws = by_episode(used)["mac", TASKS[0], 5]
    assert list(draws.index) == [0, 1, 2, 3, 4, 5]
    chosen = used[(used["agent"] == "mac") & (used["task"] == TASKS[0]) & (used["seed"] == 5)]
    assert draws[2] == pytest.approx(chosen[chosen["episode"] == 2]["success"].mean())
    variance = cells(used).loc[("mac", TASKS[0], 5), "variance"]
    assert variance == pytest.approx(float(sampling_variance(draws.to_numpy())))


def test_the_matrix_shows_what_is_missing(rows):
    found = cells(reported(rows, "last")).drop(("mac", TASKS[1], 5))
    values = matrix(found, "mac", list(TASKS), [0, 1, 5])
    assert values.shape == (3, 2)
    assert np.isnan(values[2, 1]) and np.isfinite(values).sum() == 5
    assert values[1, 0] == found.loc[("mac", TASKS[0], 1), "score"]
    assert np.isnan(matrix(found, "nobody", list(TASKS), [0, 1])).all()


def test_model_error_counts_at_the_longest_common_horizon():
    frames = []
    for label, length in (("n10", 10), ("n25", 25)):
        run = make_run(label, "scene-play", 0, evaluator="model_error", steps=(100, 200))
        frames.append(model_error_rows(run, 1.0, stream(0, label), horizon=90, length=length))
    rows = pd.concat(frames, ignore_index=True)
    found = model_error_cells(rows)
    # 75 is the longest of n25; n10 has 70, the longest up to it.
    assert found["horizon"].to_dict() == {
        ("n10", "scene-play", 0): 70,
        ("n25", "scene-play", 0): 75,
    }
    at = rows[(rows["agent"] == "n10") & (rows["step"] == 200) & (rows["horizon"] == 70)]
    assert found.loc[("n10", "scene-play", 0), "score"] == at["mse"].item()


def test_csv_keeps_every_digit_and_one_order(tmp_path, rows):
    table = cells(reported(rows, "last")).rename(columns={"score": "success_rate"}).reset_index()
    table["experiment"] = "x"
    write_csv(tmp_path / "a.csv", table, SCORES)
    write_csv(tmp_path / "b.csv", table.sample(frac=1, random_state=0), SCORES)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    with (tmp_path / "a.csv").open() as file:
        read = list(csv.DictReader(file))
    assert tuple(read[0]) == SCORES
    keys = [(row["task"], row["agent"], int(row["seed"])) for row in read]
    assert keys == sorted(keys) and len(keys) == 12
    for row in read:
        cell = table[
            (table["agent"] == row["agent"])
            & (table["task"] == row["task"])
            & (table["seed"] == int(row["seed"]))
        ].iloc[0]
        assert float(row["success_rate"]) == cell["success_rate"]
        assert float(row["return_mean"]) == cell["return_mean"]
        assert "np." not in "".join(row.values())


def test_runs_are_read_as_they_were_written_whatever_their_names(tmp_path):
    frame = pd.DataFrame(
        [
            {"task": "nan", "agent": "1", "seed": 0, "step": 5, "fingerprint": "012345678901"},
            {"task": "nan", "agent": 'a,"b', "seed": 1, "step": 5, "fingerprint": "1e5"},
        ]
    ).assign(experiment="x", episodes=50, return_mean=0.0, success_rate=[0.1 + 0.2, 1 / 3])
    write_csv(tmp_path / "scores.csv", frame, SCORES)
    runs = read_runs(tmp_path / "scores.csv")
    assert runs.loc["1", "nan", 0].tolist() == [5, "012345678901", 0.1 + 0.2]
    assert runs.loc['a,"b', "nan", 1]["fingerprint"] == "1e5"
    assert list(runs.columns) == ["step", "fingerprint", "score"]


def test_prediction_errors_count_as_runs_once_and_have_no_score(tmp_path):
    run = make_run("n5", "scene-play", 0, evaluator="model_error", environment="scene")
    rows = model_error_rows(run, 1e-4, stream(0, "x")).assign(experiment="x")
    write_csv(tmp_path / "model_error.csv", rows, MODEL_ERROR)
    runs = read_runs(tmp_path / "model_error.csv")
    assert len(runs) == 1 and list(runs.columns) == ["step", "fingerprint"]
