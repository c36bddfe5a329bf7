import csv
import io
from pathlib import Path

import pytest

from mac.report.cells import (
    MEAN,
    Cell,
    Column,
    Row,
    Table,
    chance,
    condensed,
    interval,
    magnitude,
    percent,
    plain,
    points,
)
from mac.report.claims import load
from mac.report.flat import csv_table
from mac.report.lines import lines
from mac.report.notes import notes
from mac.report.tables import (
    best,
    comparison_table,
    model_error_table,
    score_table,
    statistics_table,
    value_table,
)
from mac.report.tuning import tunings
from mac.stats.aggregate import read_summary
from tests.unit.report.summaries import built_model_error, summary_of

PAPER = Path(__file__).parents[3] / "configs" / "paper"


def column(table, title, group=""):
    index = next(i for i, c in enumerate(table.columns) if (c.title, c.group) == (title, group))
    return [row.cells[index] for row in table.rows]


def names(table):
    return [row.cells[0].plain for row in table.rows]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"a": 0.80, "b": 0.76, "c": 0.75}, {"a", "b"}),  # 0.95 * 0.80 = 0.76
        ({"a": 0.9, "b": 0.1}, {"a"}),
        ({"a": 0.5, "b": 0.5}, {"a", "b"}),
        ({"a": 0.0, "b": 0.0}, set()),
        ({"a": None, "b": 0.2}, {"b"}),
        ({"a": None}, set()),
        ({}, set()),
    ],
)
def test_bold_is_what_reaches_95_percent_of_the_best(values, expected):
    assert best(values) == expected


def test_numbers():
    assert percent(0.5625) == "56.2" and percent(None) == "" and percent(1.0) == "100.0"
    assert points(0.44) == "+44.0" and points(-0.123) == "−12.3"
    assert points(0.0) == points(-0.0001) == points(0.0001) == "0.0"
    assert magnitude(0.00123456) == "0.00123" and magnitude(-1.5) == "−1.5"
    assert plain(0.916) == "0.92"
    assert chance(0.0314) == "0.031" and chance(1.23e-20) == "1.2e−20" and chance(None) == ""


def test_intervals_say_why_they_are_missing():
    assert interval({"ci_low": 0.1, "ci_high": 0.25, "ci_reason": None}).plain == "[10.0, 25.0]"
    none = interval({"ci_low": None, "ci_high": None, "ci_reason": "too few seeds"})
    assert none.plain == "too few seeds" and none.muted
    agree = interval({"ci_low": 0.0, "ci_high": 0.02, "ci_reason": "all seeds agree: …"})
    assert agree.plain == "[0.0, 2.0]°"


def test_rows_are_tasks_then_their_mean_then_all(tmp_path):
    rates = {"mac": 0.6, "flow_bc": 0.2}
    summary = summary_of(tmp_path, rates, environments=("cube-single", "scene"))
    assert names(score_table(summary, None)) == [
        "cube-single, task 1",
        "cube-single, task 2",
        "cube-single, mean of 2",
        "scene, task 1",
        "scene, task 2",
        "scene, mean of 2",
        "all, mean of 4",
    ]
    assert [line.kind for line in lines(summary, with_tasks=False)] == ["mean", "mean", "overall"]


def test_one_mean_is_not_printed_twice(tmp_path):
    one = summary_of(tmp_path / "a", {"mac": 0.6}, tasks=1)
    assert names(score_table(one, None)) == ["cube-single, task 1"]
    two = summary_of(tmp_path / "b", {"mac": 0.6}, tasks=2)
    assert names(score_table(two, None))[-1] == "cube-single, mean of 2"
    assert "all" not in " ".join(names(score_table(two, None)))


def test_cells_are_the_summarys_numbers(tmp_path):
    summary = summary_of(tmp_path, {"mac": 0.6, "flow_bc": 0.2}, seeds=4)
    table = score_table(summary, None)
    entry = summary["agents"]["mac"]["overall"]
    cell = column(table, "mean ± std", "mac")[-1]
    assert cell.plain == f"{100 * entry['mean']:.1f} ± {100 * entry['std']:.1f}"
    assert cell.bold and not column(table, "mean ± std", "flow_bc")[-1].bold
    ends = f"[{100 * entry['ci_low']:.1f}, {100 * entry['ci_high']:.1f}]"
    assert column(table, "95 % seeds", "mac")[-1].plain == ends
    assert "95 % episodes" not in [c.title for c in table.columns]


def test_few_seeds_are_said_beside_the_episodes_interval(tmp_path):
    summary = summary_of(tmp_path, {"mac": 0.6, "flow_bc": 0.2}, seeds=2)
    table = score_table(summary, None)
    assert {cell.plain for cell in column(table, "95 % seeds", "mac")} == {"too few seeds"}
    entry = summary["agents"]["mac"]["overall"]
    ends = f"[{100 * entry['episode_ci_low']:.1f}, {100 * entry['episode_ci_high']:.1f}]"
    assert column(table, "95 % episodes", "mac")[-1].plain == ends


def test_many_agents_keep_their_intervals_in_the_second_table(tmp_path):
    labels = [f"agent{i}" for i in range(5)]
    summary = summary_of(tmp_path, dict.fromkeys(labels, 0.5), seeds=4)
    assert len(score_table(summary, None).columns) == 6
    table = statistics_table(summary, {})
    assert [cell.plain for cell in column(table, "agent")] == labels
    assert all(cell.plain.startswith("[") for cell in column(table, "95 % seeds"))


def test_tuning_stands_beside_the_estimates_and_its_sources_below(tmp_path):
    rates = {"mac": 0.6, "flow_bc": 0.2, "iql": 0.3}
    summary = summary_of(tmp_path, rates, environments=("cube-single", "scene"), tasks=2)

    def cell(label, environment, settings, source, **more):
        tuning = settings and {"settings": settings, "source": source, **more}
        return {"label": label, "environment": environment, "mode": "reward", "tuning": tuning}

    found = tunings(
        summary,
        [
            cell("mac", "cube-single", 1, "the release"),
            cell("mac", "scene", 1, "the release", changed=["discount", "steps"]),
            cell("iql", "cube-single", 4, "docs/quick.md."),
            cell("iql", "scene", 1, "another paper"),
            cell("flow_bc", "scene", None, None),
            cell("iql", "cube-double", 9, "not in this table"),
        ],
    )
    table = statistics_table(summary, found)
    cells = zip(names(table), column(table, "agent"), column(table, "tuning"), strict=True)
    shown = {(name.split(",")[0], agent.plain): cell.plain for name, agent, cell in cells}
    unsaid = {("cube-single", "flow_bc"): "not said", ("scene", "flow_bc"): "not said"}
    overall = {("all", label): "" for label in rates}
    assert shown == {
        ("cube-single", "mac"): "1",
        ("scene", "mac"): "not said",
        ("cube-single", "iql"): "4",
        ("scene", "iql"): "1",
        **unsaid,
        **overall,
    }
    assert table.notes[-5:] == (
        "tuning: how many settings were tried, those chosen among them.",
        "mac on cube-single: the release.",
        "mac on scene: the release; the experiment's own: discount, steps.",
        "iql on cube-single: docs/quick.md.",
        "iql on scene: another paper.",
    )
    rows = list(csv.DictReader(io.StringIO(csv_table(summary, [], found))))
    told = {(r["environment"], r["agent"], r["level"]): r["tuning"] for r in rows}
    assert told["cube-single", "iql", "task"] == told["cube-single", "iql", "mean"] == "4"
    assert told["", "iql", "overall"] == told["scene", "flow_bc", "mean"] == ""
    assert told["scene", "mac", "mean"] == ""
    sources = {
        r["tuning_source"] for r in rows if (r["environment"], r["agent"]) == ("scene", "mac")
    }
    assert sources == {"the release; the experiment's own: discount, steps"}


def test_the_papers_number_stands_beside_ours(tmp_path):
    claims = load(PAPER / "reward_1m.yaml")
    rates = {"mac": 0.6, "flow_bc": 0.2}
    summary = summary_of(tmp_path, rates, environments=("cube-single", "scene"), tasks=5, seeds=2)
    table = score_table(summary, claims)
    paper = dict(zip(names(table), column(table, "paper", "mac"), strict=True))
    assert paper["cube-single, mean of 5"].plain == "99 ± 2 (seeds?)"
    assert paper["scene, mean of 5"].plain == "97 ± 4 (seeds?)"
    assert paper["scene, task 1"].plain == "" and paper["all, mean of 10"].plain == ""
    assert ("paper", "flow_bc") not in [(c.title, c.group) for c in table.columns]
    text = " ".join(table.notes)
    assert "2512.08108" in text and "in brackets" in text and "in no test" in text
    assert "FQL" not in text  # a note on columns that are not here


def test_a_paper_over_other_tasks_or_second_hand_is_said(tmp_path):
    rates = {"mac": 0.6, "mac_flow": 0.2}
    summary = summary_of(tmp_path, rates, environments=("scene",), tasks=2)
    table = score_table(summary, load(PAPER / "ablations.yaml"))
    assert column(table, "paper", "mac")[-1].plain == "100†‡"
    text = " ".join(table.notes)
    assert "† quoted second-hand" in text and "‡ over 5 tasks" in text
    assert "without distillation" in text


def test_differences_are_signed_and_paired(tmp_path):
    summary = summary_of(tmp_path, {"mac": 0.6, "flow_bc": 0.2}, baseline="flow_bc", seeds=4)
    table = comparison_table(summary)
    entry = summary["comparisons"][0]["overall"]
    assert column(table, "difference")[-1].plain == f"{100 * entry['difference']:+.1f}"
    assert {cell.plain for cell in column(table, "agents")} == {"mac − flow_bc"}
    assert len(table.rows) == 3 and "paired" in table.notes[0]
    alone = summary_of(tmp_path / "alone", {"mac": 0.6})
    assert comparison_table(alone) is None


def test_many_differences_are_shown_by_environment_only(tmp_path):
    rates = {f"agent{i}": 0.1 * i for i in range(5)}
    summary = summary_of(tmp_path, rates, baseline="agent0", tasks=5, seeds=1)
    assert len(comparison_table(summary).rows) == 4
    assert len(summary["comparisons"][0]["tasks"]) == 5


def test_values_are_shown_if_every_agent_has_them(tmp_path):
    rates = {"h1": 0.6, "h10": 0.2}
    both = summary_of(tmp_path / "a", rates, seeds=4, value=("h1", "h10"))
    assert len(value_table(both).rows) == 2
    one = summary_of(tmp_path / "b", rates, seeds=4, value=("h1",))
    assert value_table(one) is None


def test_model_error_is_a_table_of_its_own(tmp_path):
    summary = read_summary(built_model_error(tmp_path))
    table = model_error_table(summary)
    assert names(table) == ["cube-single", "scene"]
    assert {cell.plain for cell in column(table, "horizon")} == {"150"}
    entry = summary["agents"]["n5"]["environments"]["scene"]
    assert column(table, "mean ± std", "n5")[1].plain.startswith(magnitude(entry["mean"]))
    assert not any(cell.bold for row in table.rows for cell in row.cells)


def test_notes_state_statistic_seeds_episodes_checkpoint_and_versions(tmp_path):
    text = " ".join(notes(summary_of(tmp_path, {"mac": 0.6, "flow_bc": 0.2}, seeds=2)))
    for part in ("2 training seeds", "50 episodes a task and seed", "last checkpoint", "95 %"):
        assert part in text
    assert "ogbench 1.2.2" in text and "mujoco 4.0.0" in text and "success timing pre" in text
    assert "missing" not in text and "°" not in text


def test_notes_name_agents_with_fewer_checkpoints(tmp_path):
    from tests.unit.stats.rows import experiment

    other = experiment(tmp_path, {"flow_bc": 0.2}, steps=(7,))
    summary = summary_of(
        tmp_path, {"mac": 0.6}, steps=(1, 2, 3, 4), checkpoint="mean_last_3", extra=other
    )
    text = " ".join(notes(summary))
    assert "mean of the last three checkpoints (flow_bc: only one)" in text
    assert "50–150 episodes" in text


def test_failed_seeds_are_shown(tmp_path):
    rates = {"mac": 0.6, "flow_bc": 0.2}
    summary = summary_of(tmp_path, rates, seeds=5, lose={("mac", 3)}, allow_missing=True)
    assert "! 2 runs missing or failed: mac seed 3 on task 1; mac seed 3 on task 2." in " ".join(
        notes(summary)
    )
    cells = column(score_table(summary, None), "mean ± std", "mac")
    assert all(cell.plain.endswith("!") for cell in cells)
    gone = summary_of(tmp_path / "gone", rates, lose={("mac", 0), ("mac", 1)}, allow_missing=True)
    assert column(score_table(gone, None), "mean ± std", "mac")[0].muted


def test_seeds_that_agree_are_marked_and_explained(tmp_path):
    summary = summary_of(tmp_path, {"mac": 1.0, "flow_bc": 0.0}, seeds=4)
    assert column(score_table(summary, None), "95 % seeds", "mac")[0].plain.endswith("]°")
    assert "° all seeds agree" in " ".join(notes(summary))


def test_intervals_that_no_row_has_are_named_in_a_note_instead():
    columns = (Column("", "l"), Column(MEAN, group="a"), Column("95 % seeds", group="a"))
    columns += (Column(MEAN, group="b"), Column("95 % seeds", group="b"), Column("95 % IQM"))
    few, runs = Cell("too few seeds", muted=True), Cell("too few runs", muted=True)
    blank, known = Cell(), Cell("[1.0, 2.0]")
    none = Row((Cell("x"), Cell("1.5"), few, Cell("not run", muted=True), blank, runs))
    table = condensed(Table("t", "T", columns, (none, none), ("more",)))
    assert [column.title for column in table.columns] == ["", MEAN, MEAN]
    assert [cell.plain for cell in table.rows[1].cells] == ["x", "1.5", "not run"]
    note = "Not shown, too few seeds: 95 % seeds; too few runs: 95 % IQM."
    assert table.notes == (note, "more")

    one = Row((Cell("x"), Cell("1.5"), few, Cell("1.6"), known, known))
    whole = Table("t", "T", columns, (none, one))
    assert condensed(whole) is whole
