from pathlib import Path

import pytest

from mac.planning.plan import Plan
from mac.planning.results import render_inputs
from mac.report.claims import Claim, Claims, load
from mac.report.verdicts import (
    AGREES,
    DIFFERS,
    NOT_COMPARABLE,
    NOT_RUN,
    UNDECIDED,
    comparisons,
    counted,
    judge,
    not_run_table,
    paper_table,
)
from tests.unit.report.summaries import summary_of

PAPER = Path(__file__).parents[3] / "configs" / "paper"

CLAIMS = Claims.model_validate(
    {
        "source": "a paper",
        "statistic": "mean",
        "tasks": 2,
        "protocol": {"data.source": "fetch"},
        "columns": {
            "mac": {
                "name": "MAC",
                "labels": ["mac"],
                "spread": "unknown",
                "settings": {"discount": 0.999, "widths": [8, 8]},
            },
            "iql": {"name": "IQL", "labels": [], "spread": "tasks"},
        },
        "values": {"cube-single": {"mac": [60, 4], "iql": [7]}, "scene": {"mac": [1]}},
    }
)
CONFIG = {"data": {"source": "fetch"}, "discount": 0.999, "widths": (8, 8)}


def claim(mean=50.0, spread=None):
    return Claim("mac", mean, spread, "?", "")


def entry(low, high, reason=None):
    middle = 0.5 if low is None else (low + high) / 2
    return {"mean": middle, "ci_low": low, "ci_high": high, "ci_reason": reason}


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [  # the band is 40 to 60
        (0.42, 0.58, AGREES),
        (0.40, 0.60, AGREES),
        (0.39, 0.58, UNDECIDED),
        (0.42, 0.61, UNDECIDED),
        (0.10, 0.90, UNDECIDED),
        (0.10, 0.40, UNDECIDED),
        (0.10, 0.39, DIFFERS),
        (0.61, 0.90, DIFFERS),
    ],
)
def test_the_interval_decides_against_the_band(low, high, word):
    assert judge(claim(), entry(low, high), []).word == word


def test_the_papers_own_spread_plays_no_part():
    for low, high in ((0.42, 0.58), (0.1, 0.39), (0.3, 0.5)):
        words = {judge(claim(spread=s), entry(low, high), []).word for s in (None, 0.0, 40.0)}
        assert len(words) == 1


def test_few_seeds_decide_nothing():
    verdict = judge(claim(), entry(None, None, "too few seeds"), [])
    assert (verdict.word, verdict.why) == (UNDECIDED, "too few seeds")


def test_what_did_not_run_is_not_judged_whatever_else_differs():
    assert judge(claim(), None, ["x"]).word == NOT_RUN
    nothing = {"mean": None, "ci_reason": "no seed has all tasks"}
    assert judge(claim(), nothing, []).why == "no seed has all tasks"


def settings(config, label="mac"):
    return {"label": label, "environment": "cube-single", "mode": "reward", "config": config}


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (CONFIG | {"data": {"source": "collect"}}, "data.source collect, paper fetch"),
        (CONFIG | {"discount": 0.99}, "discount 0.99, paper 0.999"),
        (CONFIG | {"widths": (8,)}, "widths [8], paper [8, 8]"),
        (None, "our settings are not known"),
    ],
)
def test_other_data_protocol_or_tuning_does_not_compare(tmp_path, config, why):
    summary = summary_of(tmp_path, {"mac": 0.6}, seeds=4)
    given = [] if config is None else [settings(config)]
    verdict = comparisons(summary, CLAIMS, given)[0].verdict
    assert (verdict.word, verdict.why) == (NOT_COMPARABLE, why)


def test_equal_settings_compare_and_absent_keys_mean_nothing(tmp_path):
    summary = summary_of(tmp_path, {"mac": 0.6}, seeds=4)
    for config in (CONFIG, {"data": {"source": "fetch"}}):
        verdict = comparisons(summary, CLAIMS, [settings(config)])[0].verdict
        assert verdict.word in (AGREES, UNDECIDED)


def test_other_tasks_and_an_unknown_protocol_do_not_compare(tmp_path):
    summary = summary_of(tmp_path, {"mac": 0.6}, seeds=4, tasks=1)
    one = comparisons(summary, CLAIMS, [settings(CONFIG)])[0]
    assert one.verdict.word == NOT_COMPARABLE and "tasks 1, paper 2" in one.verdict.why
    assert load(PAPER / "ablations.yaml").differences("full", CONFIG) == [
        "the paper's protocol is not known"
    ]


def test_every_number_of_the_paper_is_listed_once(tmp_path):
    summary = summary_of(tmp_path, {"mac": 0.6, "flow_bc": 0.1}, seeds=4)
    found = comparisons(summary, CLAIMS, [settings(CONFIG)])
    assert [(one.name, one.label) for one in found] == [("MAC", "mac"), ("IQL", None)]
    assert counted(found) == {found[0].verdict.word: 1, NOT_RUN: 1}
    assert comparisons(summary, None, []) == []


def test_the_tables_show_ours_beside_the_papers_and_what_did_not_run(tmp_path):
    summary = summary_of(tmp_path, {"mac": 0.6}, seeds=4)
    found = comparisons(summary, CLAIMS, [settings(CONFIG | {"discount": 0.5, "widths": ()})])
    (row,) = paper_table(summary, found).rows
    mean = summary["agents"]["mac"]["environments"]["cube-single"]["mean"]
    texts = [cell.plain for cell in row.cells]
    assert texts[1:3] == ["mac", f"{100 * mean:.1f}"]
    assert texts[4:6] == ["60 ± 4 (?)", f"{100 * mean - 60:+.1f}".replace("-", "−")]
    assert texts[6] == NOT_COMPARABLE and "and 1 more" not in texts[7]
    absent = not_run_table(found)
    assert [column.title for column in absent.columns[1:]] == ["IQL"]
    assert [cell.plain for cell in absent.rows[0].cells[1:]] == ["7"]
    assert paper_table(summary, []) is None and not_run_table([]) is None


@pytest.mark.parametrize(("name", "same"), [("reward_1m", True), ("goal_100m", True)])
def test_shipped_experiments_follow_the_protocol_their_paper_file_names(name, same):
    config = render_inputs(Plan([name]), name)["config"]
    claims = load(config["paper"])
    for cell in config["settings"]:
        if cell["label"] == "mac":
            assert (claims.differences("mac", cell["config"]) == []) == same


def test_the_quick_experiment_does_not_compare_with_the_paper():
    config = render_inputs(Plan(["quick"]), "quick")["config"]
    found = load(PAPER / "reward_1m.yaml").differences("mac", config["settings"][0]["config"])
    assert "data.source collect, paper fetch" in found and len(found) > 3
