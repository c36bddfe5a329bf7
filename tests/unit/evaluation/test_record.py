import math
import random

import pytest

from mac.errors import DataError
from mac.evaluation.record import write_rows
from tests.unit.evaluation.jobs import rows_of


def row(task="t1", step=10, episode=0, **other):
    return {
        "task": task,
        "agent": "mac",
        "seed": 0,
        "step": step,
        "episode": episode,
        "success": episode % 3 == 0,
        "return": -1.5 * episode,
        "length": 7,
        "discounted_return": -0.1,
        "value_estimate": math.nan,
        "fingerprint": "0123456789ab",
        "success_timing": "pre",
        "ogbench": "1",
        "mujoco": "2",
        "gymnasium": "n/a",
        **other,
    }


def test_rows_come_back_sorted_and_bytes_do_not_depend_on_order(tmp_path):
    rows = [row(t, s, e) for t in ("t1", "t2") for s in (10, 20) for e in range(5)]
    write_rows(tmp_path / "a" / "episodes.parquet", rows)
    random.Random(0).shuffle(rows)
    write_rows(tmp_path / "b" / "episodes.parquet", rows)
    first = (tmp_path / "a" / "episodes.parquet").read_bytes()
    assert first == (tmp_path / "b" / "episodes.parquet").read_bytes()
    back = rows_of(tmp_path / "a" / "episodes.parquet")
    keys = [(r["task"], r["step"], r["episode"]) for r in back]
    assert keys == sorted(keys) and len(set(keys)) == 20
    assert all(math.isnan(r["value_estimate"]) for r in back)
    assert back[3] | {"value_estimate": 0} == row(episode=3) | {"value_estimate": 0}
    rows[0]["return"] += 1e-12
    write_rows(tmp_path / "b" / "episodes.parquet", rows)
    assert first != (tmp_path / "b" / "episodes.parquet").read_bytes()


def test_mistakes_are_named_and_leave_no_file(tmp_path):
    path = tmp_path / "episodes.parquet"
    with pytest.raises(DataError, match="two rows with one key; found task t1, agent mac, "):
        write_rows(path, [row(), row(), row(episode=1)])
    with pytest.raises(DataError, match="columns missing or unknown; found label"):
        write_rows(path, [row(label="x")])
    with pytest.raises(DataError, match="wrong type"):
        write_rows(path, [row(length="long")])
    assert list(tmp_path.iterdir()) == []


def test_model_error_rows_have_columns_of_their_own(tmp_path):
    row = {"task": "d", "agent": "a", "seed": 0, "step": 1, "horizon": 0, "mse": 0.0}
    row |= {"windows": 15, "fingerprint": "f"}
    write_rows(tmp_path / "model_error.parquet", [row], "model_error")
    assert rows_of(tmp_path / "model_error.parquet") == [row]
    with pytest.raises(DataError, match="columns missing or unknown"):
        write_rows(tmp_path / "model_error.parquet", [row])
