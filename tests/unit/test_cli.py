"""A user's mistake is one line on standard error and exit code 2, never a traceback."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from mac.cli import USER_MISTAKE, main
from mac.planning import files


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Runs ``mac plan`` on an experiment with these agents and values."""
    monkeypatch.setenv("MAC_CONFIG_PATH", str(tmp_path))

    def run(agents, values):
        content = {
            "title": "t",
            "caption": "c",
            "suites": {"ogbench_reward": {"cube-single": [1]}},
            "agents": agents,
            "seeds": [0],
            "set": values,
        }
        path = tmp_path / "experiments" / "x.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content))
        files.read_config.cache_clear()
        return CliRunner().invoke(main, ["plan", "x"])

    return run


def refused(result, *parts):
    """The single line that a refused command printed, which names all these parts."""
    assert result.exit_code == USER_MISTAKE, result.output
    (line,) = result.stderr.splitlines()
    assert not result.stdout
    for part in parts:
        assert part in line, line


def test_what_can_be_planned_is_planned(plan):
    result = plan({"flow_bc": {"set": {"act_by": "flow"}}}, {"schedule": "staged"})
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("agents", "values", "parts"),
    [
        ({"mac": {}}, {"optimiser.learning_rate": float("inf")}, ["x.yaml: optimiser.learning_"]),
        ({"mac": {}}, {"steps": True}, ["x.yaml: steps", "found True"]),
        (
            {"flow_bc": {"set": {"act_by": "flow", "behaviour.policy": "flow"}}},
            {},
            ["x.yaml (agents.flow_bc): act_by: flow needs behaviour.policy: distilled_flow"],
        ),
        (
            {"mac_fql": {"set": {"behaviour.policy": "gaussian"}}},
            {},
            ["x.yaml (agents.mac_fql): behaviour.policy: mac_fql imitates a flow"],
        ),
        (
            {"mac": {}},
            {"schedule": "joint", "heads": {"keep": "best", "validate_every": 5}},
            ["x.yaml: heads.validate_every: schedule: joint"],
        ),
        ({"mac": {}}, {"mode": "goal"}, ["x.yaml: mode: not a setting", "a suite of that mode"]),
        ({"mac": {"set": {"agent": "flow_bc"}}}, {}, ["(agents.mac): agent: not a setting"]),
    ],
)
def test_impossible_values(plan, agents, values, parts):
    refused(plan(agents, values), *parts)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import nothing_of_this_name\n", "ModuleNotFoundError"),
        ("1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_a_broken_agent_file(plan, tmp_path, monkeypatch, text, reason):
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.setenv("MAC_AGENT_PATH", str(tmp_path))
    result = plan({"mac": {}}, {"schedule": "staged"})
    refused(result, f"{tmp_path}/mine.py: MAC_AGENT_PATH: cannot be imported ({reason}")


def test_an_agent_file_without_an_agent(plan, tmp_path, monkeypatch):
    (tmp_path / "_shared.py").write_text("raise SystemExit('not an agent')\n")
    (tmp_path / "mine.py").write_text("from mac.agents.mac import MAC as Mine\n")
    monkeypatch.setenv("MAC_AGENT_PATH", str(tmp_path))
    result = plan({"mac": {}}, {"schedule": "staged"})
    refused(
        result, f'{tmp_path}/mine.py: MAC_AGENT_PATH: registers no agent; expected `@register("'
    )


def test_a_missing_folder_of_agents(plan, tmp_path, monkeypatch):
    monkeypatch.setenv("MAC_AGENT_PATH", str(tmp_path / "nowhere"))
    result = plan({"mac": {}}, {"schedule": "staged"})
    refused(result, "MAC_AGENT_PATH: no such folder; found", "nowhere")


@pytest.mark.parametrize(
    "arguments", [["plan", "x"], ["config", "show", "x"], ["trace", "x"], ["diff", "./"]]
)
def test_another_folder_is_said_to_be_one(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    refused(result, f"; looked in {tmp_path}, which has no configs/: run mac in the repository's")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["collect", "cube-double-play-100m", "--shard", "100"], ["--shard: ", "100", "< 100"]),
        (["collect", "antmaze-x"], ["antmaze-x: no such data set", "pointmaze-giant-stitch"]),
        (["describe", "cube-single-play"], ["no store of this", "mac data build cube-single-play"]),
        (["build", "cube-single-play"], ["raw files are not here", "collect cube-single-play"]),
    ],
)
def test_data_that_are_not_there(arguments, parts, tmp_path, monkeypatch):
    (tmp_path / "configs").symlink_to(Path("configs").resolve())
    monkeypatch.chdir(tmp_path)
    refused(CliRunner().invoke(main, ["data", *arguments]), *parts)


def test_what_failed_for_good_by_a_data_sets_name_is_cleared_by_it(tmp_path, monkeypatch):
    (tmp_path / "configs").symlink_to(Path("configs").resolve())
    monkeypatch.chdir(tmp_path)
    name = "humanoidmaze-giant-navigate"
    for remedy in ("use data.source: fetch\n", f"`mac clear {name}` lets the job try again\n"):
        failed = CliRunner().invoke(main, ["data", "collect", name])
        assert failed.exit_code == 2 and failed.stderr.endswith(remedy)
    for said in ("may try again: collect-", "nothing has failed for good"):
        assert said in CliRunner().invoke(main, ["clear", name]).output


TASK = "cube-single-play-singletask-task1-v0"


@pytest.mark.parametrize(
    ("verb", "task", "missing", "maker"),
    [
        ("train-agent", TASK, "data/stores/cube-single-play-", "data build"),
        ("evaluate", TASK, "data/stores/cube-single-play-", "data build"),
        ("diagnose", TASK, "data/stores/cube-single-play-", "data build"),
        ("data build", "cube-single-play", "data/raw/cube-single-play/fetched.json", "data fetch"),
    ],
)
def test_a_job_whose_inputs_are_not_made_yet(verb, task, missing, maker, tmp_path, monkeypatch):
    (tmp_path / "configs").symlink_to(Path("configs").resolve())
    monkeypatch.chdir(tmp_path)
    names = ["--experiment", "reward_1m", "--task", task]
    if not verb.startswith("data"):
        names += ["--agent", "iql", "--seed", "0"]
    remedy = (
        f"run `snakemake --cores all reward_1m`, which makes all that is needed, or `mac {maker}"
    )
    for _ in range(2):  # nothing is remembered of it: the next moment the input may be there
        result = CliRunner().invoke(main, [*verb.split(), *names])
        refused(result, missing, f"is not here, and `mac {verb}` reads it", remedy)
    assert not [*tmp_path.glob("results/.resume/failures/*")]
    (command,) = (text for text in result.stderr.split("`") if text.startswith(f"mac {maker}"))
    if maker == "data build":  # the command is the one that lacks the next thing
        refused(CliRunner().invoke(main, command.split()[1:]), "fetched.json: is not here")


def test_a_label_without_such_a_stage_is_told_those_it_has():
    names = ["--task", TASK.replace("task1", "task2"), "--agent", "flow_bc", "--seed", "0"]
    result = CliRunner().invoke(main, ["train-agent", "--experiment", "quick", *names])
    shared = (
        "train-behaviour --agent mac --task cube-single-play"  # planned for mac, and used by both
    )
    refused(result, "no train-agent job with", "label flow_bc", f"; expected {shared}")
    assert result.stderr.endswith(f"{shared}\n")


def test_a_seed_that_is_not_the_experiments_is_told_those_that_are():
    names = ["--task", TASK, "--agent", "mac", "--seed", "7"]
    result = CliRunner().invoke(main, ["train-value", "--experiment", "quick", *names])
    refused(result, "no train-value job with", "seed 7; expected --seed 0 or 1")


def test_verbs_are_shown_as_they_are_written():
    shown = CliRunner().invoke(main, ["--help"]).stdout
    assert "train-agent" in shown and "train_agent" not in shown
    both = [CliRunner().invoke(main, [verb, "--help"]) for verb in ("train-agent", "train_agent")]
    assert [result.exit_code for result in both] == [0, 0]


def test_a_key_that_mac_does_not_have_is_sought_among_mac_s_unless_an_agent_is_named():
    mistake = CliRunner().invoke(main, ["config", "schema", "alpha"])
    refused(mistake, "alpha: unknown key", "mac's configuration", "use --agent NAME")
    other = CliRunner().invoke(main, ["config", "schema", "alpha", "--agent", "mac"])
    refused(other, "alpha: unknown key")
    assert "--agent NAME" not in other.stderr
    assert CliRunner().invoke(main, ["config", "schema", "alpha", "--agent", "iql"]).exit_code == 0
