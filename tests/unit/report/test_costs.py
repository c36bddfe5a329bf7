import pandas as pd
import pytest

from mac.report.costs import Records, cost_table

ENVIRONMENT = {"name": "scene", "environment": "scene", "mode": "reward", "tasks": ["t1", "t2"]}


def record(mark, seconds, seed=0, inputs=(), **facts):
    own = {"fingerprint": mark, "rule": "x", "inputs": dict.fromkeys(inputs), "seed": seed}
    own["inputs"] = {name: name for name in inputs}
    return own | {"wall_seconds": seconds, "cpu_seconds": 2 * seconds, **facts}


def runs(*rows):
    columns = ["agent", "task", "seed", "fingerprint"]
    return pd.DataFrame(rows, columns=columns).set_index(columns[:3])


RECORDS = Records(
    {
        "e1/seed0": record("e1", 100, inputs=("m", "store")),
        "e2/seed0": record("e2", 200, inputs=("v", "m"), device="cuda:0"),
        "v/seed0": record("v", 1000, inputs=("m",)),
        "m/seed0": record("m", 10000),
        "m/seed1": record("m", 70000, seed=1),
        "store": {"fingerprint": "store", "rule": "build", "data": "0"},
    }
)


def test_shared_stages_count_once_and_other_seeds_not_at_all():
    time = RECORDS.hours(runs(("a", "t1", 0, "e1"), ("a", "t2", 0, "e2")))
    assert time["jobs"] == 4
    assert time["wall_hours"] == pytest.approx(11300 / 3600)
    assert time["cpu_hours"] == pytest.approx(22600 / 3600)
    assert time["gpu_hours"] == pytest.approx(200 / 3600)


def test_rows_are_agents_and_the_last_counts_each_job_once():
    summary = {"environments": [ENVIRONMENT], "labels": ["a", "b", "absent"]}
    table = cost_table(summary, runs(("a", "t1", 0, "e1"), ("b", "t1", 0, "e2")), RECORDS)
    rows = [[cell.plain for cell in row.cells] for row in table.rows]
    assert rows == [
        ["scene", "a", "2", "2.81", "5.61", "0"],
        ["scene", "b", "3", "3.11", "6.22", "0.0556"],
        ["all, each job once", "", "4", "3.14", "6.28", "0.0556"],
    ]
    assert [column.title for column in table.columns[3:]] == ["hours", "core-hours", "GPU-hours"]


def test_short_work_is_in_minutes_and_unrecorded_work_says_so():
    summary = {"environments": [ENVIRONMENT], "labels": ["a"]}
    table = cost_table(summary, runs(("a", "t1", 0, "e")), Records({"e/seed0": record("e", 90)}))
    assert [cell.plain for cell in table.rows[0].cells[2:4]] == ["1", "1.5"]
    assert table.columns[3].title == "minutes"
    table = cost_table(summary, runs(("a", "t1", 0, "e")), Records({}))
    assert [row.cells[2].plain for row in table.rows] == ["not recorded"] * 2
