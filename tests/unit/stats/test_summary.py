import dataclasses
import json

import numpy as np
import pytest

from mac.rng import stream
from mac.stats.aggregate import aggregate, read_summary
from mac.stats.estimators import iqm
from mac.stats.summary import groups
from tests.unit.stats.rows import episode_rows, experiment, make_run, model_error_rows, save

FIELDS = ("mean", "std", "iqm", "ci_low", "ci_high", "seeds")
MORE = ("ci_reason", "bootstrap_ci_low", "episode_ci_low", "episode_ci_high", "iqm_ci_low")


def summary_of(tmp_path, runs, **arguments):
    aggregate(runs, tmp_path / "out", experiment="x", fingerprint="f", root=tmp_path, **arguments)
    return read_summary(tmp_path / "out")


def everything(summary):
    for agent in summary["agents"].values():
        yield agent["overall"]
        yield from agent["environments"].values()
        yield from agent["tasks"].values()


def test_every_agent_task_and_overall_has_the_promised_fields(tmp_path):
    runs = experiment(
        tmp_path, {"mac": 0.8, "flow_bc": 0.3}, environments=("cube-single", "scene"), seeds=4
    )
    summary = summary_of(tmp_path, runs, baseline="flow_bc")
    assert list(summary["agents"]) == sorted(summary["labels"])
    assert summary["labels"] == ["mac", "flow_bc"]
    for agent in summary["agents"].values():
        assert len(agent["tasks"]) == 4 and len(agent["environments"]) == 2
    for entry in everything(summary):
        assert set(FIELDS) | set(MORE) <= set(entry)
        assert entry["ci_low"] <= entry["mean"] <= entry["ci_high"]
        assert entry["seeds"] == 4


def test_overall_is_the_mean_over_tasks_with_the_seed_as_its_unit(tmp_path):
    runs = experiment(tmp_path, {"mac": 0.5}, environments=("cube-single", "scene"), seeds=5)
    summary = summary_of(tmp_path, runs)
    tasks = list(summary["agents"]["mac"]["tasks"])
    rates = {
        (run.seed, run.tasks[0]): np.mean(
            episode_rows(run, 0.5, stream(run.seed, "synthetic", "mac", *run.tasks))["success"]
        )
        for run in runs
    }
    scores = np.array([[rates[seed, task] for task in tasks] for seed in range(5)])
    overall = summary["agents"]["mac"]["overall"]
    by_seed = scores.mean(1)
    half = 2.776445105 * by_seed.std(ddof=1) / np.sqrt(5)  # t(0.975, 4)
    assert overall["mean"] == pytest.approx(scores.mean())
    assert overall["std"] == pytest.approx(by_seed.std(ddof=1))
    assert overall["iqm"] == pytest.approx(float(iqm(scores)))
    assert overall["ci_low"] == pytest.approx(scores.mean() - half)
    assert overall["ci_high"] == pytest.approx(scores.mean() + half)
    assert list(overall["seed_means"].values()) == pytest.approx(by_seed)
    assert overall["episodes"] == 5 * 4 * 50


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_too_few_seeds_are_said_not_hidden(tmp_path, seeds):
    runs = experiment(tmp_path, {"mac": 0.5, "flow_bc": 0.1}, seeds=seeds)
    summary = summary_of(tmp_path, runs)
    for entry in everything(summary):
        assert entry["ci_low"] is None and entry["ci_high"] is None
        assert entry["ci_reason"] == "too few seeds"
        assert entry["bootstrap_ci_reason"] == "too few seeds"
        assert 0 <= entry["episode_ci_low"] < entry["mean"] < entry["episode_ci_high"] <= 1
        assert (entry["std"] is None) == (seeds == 1)


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("seeds", [1, 4])
def test_nothing_but_failures_or_successes(tmp_path, rate, seeds):
    summary = summary_of(tmp_path, experiment(tmp_path, {"mac": rate}, seeds=seeds))
    for entry in everything(summary):
        assert entry["mean"] == entry["iqm"] == rate
        assert entry["episode_ci_low"] < entry["episode_ci_high"]
        if seeds == 4:
            assert entry["ci_low"] < entry["ci_high"] and "agree" in entry["ci_reason"]


def test_a_missing_run_is_shown_and_its_seed_not_averaged(tmp_path):
    runs = experiment(tmp_path, {"mac": 0.8, "flow_bc": 0.2}, seeds=5)
    gone = next(r for r in runs if r.label == "mac" and r.seed == 2 and "task2" in r.tasks[0])
    (tmp_path / gone.path).unlink()
    summary = summary_of(tmp_path, runs, allow_missing=True)
    assert summary["missing"] == [
        {"agent": "mac", "seed": 2, "tasks": list(gone.tasks), "path": gone.path}
    ]
    mac = summary["agents"]["mac"]
    assert mac["overall"]["incomplete_seeds"] == [2]
    assert mac["overall"]["seeds"] == 4 and "2" not in mac["overall"]["seed_means"]
    whole, gone_task = mac["tasks"].values()
    assert whole["seeds"] == 5 and gone_task["seeds"] == 4
    assert mac["overall"]["mean_with_failures"] == pytest.approx(
        (whole["mean"] * 5 + gone_task["mean"] * 4) / 10
    )
    assert "mean_with_failures" not in summary["agents"]["flow_bc"]["overall"]
    assert summary["comparisons"][0]["overall"]["seeds"] == 4


def test_an_agent_that_never_finished_is_shown(tmp_path):
    runs = experiment(tmp_path, {"mac": 0.8, "flow_bc": 0.2}, seeds=2)
    for run in runs:
        if run.label == "flow_bc":
            (tmp_path / run.path).unlink()
    summary = summary_of(tmp_path, runs, allow_missing=True, baseline="flow_bc")
    assert len(summary["missing"]) == 4
    flow_bc = summary["agents"]["flow_bc"]
    assert flow_bc["overall"]["mean"] is None and flow_bc["overall"]["seeds"] == 0
    assert flow_bc["overall"]["mean_with_failures"] == 0.0
    assert summary["comparisons"][0]["overall"]["difference"] is None


def test_reward_and_goal_protocols_are_never_averaged(tmp_path):
    runs = experiment(tmp_path, {"mac": 0.8}, environments=("cube-double", "scene"))
    runs += experiment(tmp_path, {"mac": 0.2}, environments=("cube-double",), mode="goal")
    assert [g.name for g in groups(runs)] == ["cube-double (reward)", "scene", "cube-double (goal)"]
    summary = summary_of(tmp_path, runs)
    overall = summary["agents"]["mac"]["overall"]
    assert set(FIELDS) <= set(overall)
    assert overall["mean"] is None and "never averaged" in overall["ci_reason"]
    environments = summary["agents"]["mac"]["environments"]
    assert environments["cube-double (reward)"]["mean"] > 0.6
    assert environments["cube-double (goal)"]["mean"] < 0.4


def test_goal_runs_bring_all_tasks_of_an_environment(tmp_path):
    runs = experiment(tmp_path, {"mac": 0.4}, tasks=5, seeds=4, mode="goal", episodes=15)
    summary = summary_of(tmp_path, runs)
    assert len(runs) == 4 and len(summary["agents"]["mac"]["tasks"]) == 5
    assert summary["agents"]["mac"]["overall"]["episodes"] == 4 * 5 * 15


def test_comparisons_are_with_the_baseline_or_of_all_pairs(tmp_path):
    runs = experiment(tmp_path, {"a": 0.1, "b": 0.5, "c": 0.9}, seeds=2)
    with_baseline = summary_of(tmp_path, runs, baseline="b")["comparisons"]
    assert [(c["agent"], c["baseline"]) for c in with_baseline] == [("a", "b"), ("c", "b")]
    assert with_baseline[0]["overall"]["difference"] < 0 < with_baseline[1]["overall"]["difference"]
    pairs = summary_of(tmp_path, runs)["comparisons"]
    assert [(c["agent"], c["baseline"]) for c in pairs] == [("b", "a"), ("c", "a"), ("c", "b")]
    assert set(pairs[0]["tasks"]) == set(runs[0].tasks) | {runs[-1].tasks[0]}


def test_agents_with_other_tasks_are_compared_where_both_ran(tmp_path):
    runs = experiment(tmp_path, {"a": 0.2}, environments=("cube-single", "scene"))
    runs += experiment(tmp_path, {"b": 0.8}, environments=("scene",))
    summary = summary_of(tmp_path, runs)
    assert summary["comparisons"][0]["overall"]["tasks"] == 2
    assert list(summary["comparisons"][0]["environments"]) == ["scene"]
    assert summary["agents"]["a"]["overall"]["tasks"] == 4
    assert summary["agents"]["b"]["overall"]["tasks"] == 2


def test_value_errors_are_there_where_there_are_values(tmp_path):
    runs = experiment(tmp_path, {"mac": 0.5, "flow_bc": 0.5}, seeds=4, value=("mac",))
    summary = summary_of(tmp_path, runs)
    mac, flow_bc = (summary["agents"][label]["overall"] for label in ("mac", "flow_bc"))
    assert flow_bc["value_bias"] is None and flow_bc["value_error"] is None
    # V is about -6, returns are -5 or -10.
    assert mac["value_bias"]["mean"] == pytest.approx(1.5, abs=0.6)
    assert mac["value_error"]["mean"] > abs(mac["value_bias"]["mean"])
    assert mac["value_bias"]["ci_low"] < mac["value_bias"]["mean"] < mac["value_bias"]["ci_high"]


def test_model_error_has_the_same_fields(tmp_path):
    runs = []
    for scale, label in enumerate(("n1", "n10"), 1):
        for seed in range(4):
            run = make_run(
                label,
                "scene-play",
                seed,
                agent="model_error",
                environment="scene",
                evaluator="model_error",
                episodes=0,
            )
            save(tmp_path, run, model_error_rows(run, 1e-4 / scale, stream(seed, label)))
            runs.append(run)
    summary = summary_of(tmp_path, runs)
    for entry in everything(summary):
        assert set(FIELDS) <= set(entry)
        assert 0 < entry["ci_low"] < entry["mean"] < entry["ci_high"]
        assert entry["horizon"] == 100 and entry["episode_ci_low"] is None
    means = [summary["agents"][label]["overall"]["mean"] for label in ("n1", "n10")]
    assert means[0] > means[1]


def test_no_number_is_nan_or_infinite(tmp_path):
    runs = experiment(tmp_path, {"mac": 0.5, "flow_bc": 0.0}, seeds=1, tasks=1)
    path = tmp_path / "out/summary.json"
    summary_of(tmp_path, runs)
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))


def test_labels_do_not_move_numbers(tmp_path):
    runs = experiment(tmp_path, {"mac": 0.5}, seeds=4, tasks=5)
    renamed = [dataclasses.replace(run, label="other") for run in runs]
    one, two = (summary_of(tmp_path, which)["agents"] for which in (runs, renamed))
    assert one["mac"] == two["other"]
