import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mac.errors import DataError
from mac.evaluation import record
from mac.rng import stream
from mac.rows import EPISODES
from mac.stats.rows import check_one_protocol, read, write
from tests.unit.stats.rows import episode_rows, make_run, model_error_rows, save

TASK = "cube-single-play-singletask-task1-v0"


@pytest.fixture
def run():
    return make_run("mac", TASK, 0, steps=(1000, 2000), episodes=4)


@pytest.fixture
def frame(run):
    return episode_rows(run, 0.5, stream(0, "rows"))


def test_what_evaluation_writes_is_read(tmp_path, run, frame):
    path = tmp_path / run.path
    record.write_rows(path, frame.to_dict("records"))
    found = read(run, tmp_path)
    assert len(found) == 8 and found["value_estimate"].isna().all()
    pd.testing.assert_frame_equal(
        found.drop(columns=["agent", "value_gap"]), frame.drop(columns="agent"), check_dtype=False
    )


def test_the_agent_column_becomes_the_label(tmp_path, frame):
    run = make_run("mac_n5", TASK, 0, agent="mac", steps=(1000, 2000), episodes=4)
    save(tmp_path, run, frame.assign(fingerprint="fp-mac_n5"))
    assert set(read(run, tmp_path)["agent"]) == {"mac_n5"}


def drop(column):
    return lambda frame: frame.drop(columns=column)


def put(column, value, row=0):
    def change(frame):
        frame = frame.copy()
        frame.loc[row, column] = value
        return frame

    return change


def everywhere(column, value):
    return lambda frame: frame.assign(**{column: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (everywhere("fingerprint", "another"), "fingerprint: rows of another run.*expected fp-mac"),
        (put("fingerprint", "another"), "fingerprint: rows of another run"),
        (everywhere("agent", "flow_bc"), "agent: rows of another run; found flow_bc"),
        (everywhere("seed", 3), "seed: rows of another run; found 3; expected 0"),
        (everywhere("task", "scene"), "task: rows of another run"),
        (lambda f: f[f["step"] == 1000], "step: rows of another run; found 1000"),
        (lambda f: f[f["episode"] != 2], "wrong number of episodes.*step 1000.*found 3"),
        (everywhere("episode", 1), "two rows with one key"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "two rows with one key"),
        (lambda f: f.assign(episode=f["episode"] + 1), "numbered 1 to 4; expected 4, numbered 0"),
        (put("return", np.nan), "return: values that are not finite; found nan in row 0"),
        (put("discounted_return", np.inf), "discounted_return: values that are not finite"),
        (put("value_estimate", -np.inf), "value_estimate: values that are not finite"),
        (put("value_estimate", 1.0), "value_estimate: value estimates of some episodes only"),
        (
            lambda f: f.assign(value_estimate=1.0, discounted_return=np.nan),
            "discounted_return: no return to compare",
        ),
        (put("length", 0), "length: an episode without a step"),
        (lambda f: f.iloc[:0], "no rows"),
    ],
)
def test_rows_that_are_not_the_plans_are_refused_by_name(tmp_path, run, frame, change, message):
    save(tmp_path, run, change(frame))
    with pytest.raises(DataError, match=message) as caught:
        read(run, tmp_path)
    assert run.path in str(caught.value)


def test_wrong_columns_and_types_are_refused(tmp_path, run, frame):
    table = pa.Table.from_pylist(frame.to_dict("records"), schema=EPISODES)
    path = tmp_path / run.path
    path.parent.mkdir(parents=True)
    for other, message in [
        (table.drop_columns("length"), "missing or unknown; found length"),
        (table.append_column("extra", table["seed"]), "missing or unknown; found extra"),
        (
            table.set_column(2, "seed", table["seed"].cast(pa.int32())),
            "seed: wrong type; found int32; expected int64",
        ),
    ]:
        pq.write_table(other, path)
        with pytest.raises(DataError, match=message):
            read(run, tmp_path)


def test_empty_values_are_refused(tmp_path, run, frame):
    records = frame.to_dict("records")
    records[3]["success"] = None
    path = tmp_path / run.path
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(records, schema=EPISODES), path)
    with pytest.raises(DataError, match="success: empty values; found 1"):
        read(run, tmp_path)


def test_missing_and_damaged_files_are_named(tmp_path, run, frame):
    with pytest.raises(DataError, match="no such file"):
        read(run, tmp_path)
    save(tmp_path, run, frame)
    path = tmp_path / run.path
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="not a readable parquet file"):
        read(run, tmp_path)


def protocol(tmp_path, **other):
    """Two runs of which the second has other columns."""
    runs, frames = [], []
    for seed, columns in enumerate(({}, other)):
        mode = columns.pop("mode", "reward")
        run = make_run("mac", TASK.replace("task1", f"task{seed + 1}"), seed, mode=mode, episodes=2)
        frames.append(episode_rows(run, 0.5, stream(0), **columns))
        runs.append(run)
    return pd.concat(frames), runs


@pytest.mark.parametrize("column", ["ogbench", "mujoco", "gymnasium", "success_timing"])
def test_versions_are_never_mixed(tmp_path, column):
    rows, runs = protocol(tmp_path, **{column: "0.0.1"})
    with pytest.raises(DataError, match=f"{column}: not comparable.*found 0.0.1") as caught:
        check_one_protocol(rows, runs)
    assert all(run.path in str(caught.value) for run in runs)


def test_what_may_differ_may(tmp_path):
    check_one_protocol(*protocol(tmp_path))
    check_one_protocol(*protocol(tmp_path, mode="goal", success_timing="post"))
    check_one_protocol(*protocol(tmp_path, ogbench="n/a"))  # a simulator that is not ogbench's


def test_all_rows_are_written_in_one_order(tmp_path, run, frame):
    frame = frame.assign(agent="mac_label")
    write(tmp_path / "a.parquet", frame, "quick")
    write(tmp_path / "b.parquet", frame.sample(frac=1, random_state=0), "quick")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.schema.names == ["experiment", *EPISODES.names]
    assert set(table["experiment"].to_pylist()) == {"quick"}
    assert table["value_estimate"].null_count == 0
    assert table["episode"].to_pylist() == [0, 1, 2, 3] * 2


def test_model_error_rows(tmp_path):
    run = make_run(
        "n10", "cube-single-play", 0, agent="model_error", evaluator="model_error", episodes=0
    )
    good = model_error_rows(run, 1.0, stream(0))
    save(tmp_path, run, good)
    assert len(read(run, tmp_path)) == 11
    for change, message in [
        (put("mse", -1.0), "mse: a negative squared error"),
        (put("mse", np.nan), "mse: values that are not finite"),
    ]:
        save(tmp_path, run, change(good))
        with pytest.raises(DataError, match=message):
            read(run, tmp_path)
