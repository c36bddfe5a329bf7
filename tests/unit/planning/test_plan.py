import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from mac.agents import base
from mac.agents.stages import MODEL
from mac.errors import ConfigError, DeviceError
from mac.planning import estimate
from mac.planning.experiment import Experiment, available, listed
from mac.planning.plan import Plan
from mac.planning.reads import stage_reads
from mac.planning.results import aggregate_inputs, render_inputs
from mac.planning.targets import planned
from mac.stamps import write_stamp

SUITE = {
    "mode": "reward",
    "environments": {
        "cube-single": {
            "dataset": "cube-single-play",
            "env_id": "cube-single-v0",
            "tasks": 5,
            "observation_dim": 28,
            "action_dim": 5,
            "goal_dim": 3,
            "max_episode_steps": 200,
            "success_timing": "pre",
        }
    },
    "unavailable": {"cube-lost": "hosted nowhere"},
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes configuration files that take precedence over the repository's."""
    monkeypatch.setenv("MAC_CONFIG_PATH", str(tmp_path))

    def write(kind, name, content):
        path = tmp_path / kind / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        from mac.planning import files

        files.read_config.cache_clear()
        return path

    write("suites", "reward", SUITE)
    write("suites", "goal", {**SUITE, "mode": "goal"})
    yield write


def experiment(**changes):
    content = {
        "title": "t",
        "caption": "c",
        "suites": {"reward": {"cube-single": [1, 2]}},
        "agents": {"mac": {}, "flow_bc": {}},
        "seeds": [0, 1],
        "set": {"schedule": "staged", "steps": 10, "data.source": "collect"},
    }
    return {**content, **changes}


def counts(plan):
    return Counter(job.rule for job in plan)


def test_stages_are_shared_by_tasks_and_by_agents(write):
    write("experiments", "x", experiment())
    assert counts(Plan(["x"])) == {
        "collect": 1,
        "build": 1,
        "train_model": 2,
        "train_behaviour": 2,
        "train_heads": 4,
        "train_value": 4,
        "evaluate": 8,
        "aggregate": 1,
        "render": 1,
    }


def test_a_collected_shard_is_a_job_with_a_seed_of_its_own(write):
    def planned(shards):
        settings = {"steps": 10, "data": {"source": "collect", "seed": 5, "shards": shards}}
        write("experiments", "x", experiment(set=settings))
        plan = Plan(["x"])
        return plan, plan.find_all("collect"), plan.find("build")

    plan, shards, build = planned(3)
    names = [f"cube-single-play-v0-{index}" for index in ("000", "001", "002")]
    assert [job.data_files for job in shards] == [(f"{n}.npz", f"{n}-val.npz") for n in names]
    assert [job.config["data"]["seed"] for job in shards] == [5, 6, 7]
    assert [[path.stem for path in files] for files in build.raw_files] == [
        names,
        [f"{name}-val" for name in names],
    ]
    assert {str(path) for files in build.raw_files for path in files} < set(build.inputs)
    with pytest.raises(ConfigError, match=r"several collect jobs with task .* --fingerprint|--fin"):
        plan.find("collect", task="cube-single-play")
    wanted = {"task": "cube-single-play", "fingerprint": shards[2].fingerprint}
    assert plan.find("collect", **wanted) is shards[2]

    _, more, larger = planned(4)
    assert [job.directory for job in more[:3]] == [job.directory for job in shards]
    assert larger.fingerprint != build.fingerprint
    _, (alone,), _ = planned(1)
    assert alone.data_files[0] == "cube-single-play-v0.npz"
    assert alone.directory not in {job.directory for job in more}


def test_goal_mode_trains_once_for_all_tasks(write):
    write("experiments", "x", experiment(suites={"goal": {"cube-single": None}}))
    plan = Plan(["x"])
    assert counts(plan)["train_value"] == 2
    assert counts(plan)["evaluate"] == 4
    assert len(plan.find("evaluate", label="mac", seed=0).tasks) == 5


def test_model_is_shared_across_modes_and_agents_of_equal_chunk_length(write):
    agents = {"mac": {}, "mac_gau": {}, "model_error": {}, "mac_fql": {"set": {"chunk_length": 10}}}
    write("experiments", "x", experiment(agents=agents))
    write("experiments", "y", experiment(suites={"goal": {"cube-single": None}}))
    assert counts(Plan(["x", "y"]))["train_model"] == 2
    write("experiments", "x", experiment(agents={**agents, "mac_fql": {}}))
    assert counts(Plan(["x"]))["train_model"] == 4


def test_shared_runs_keep_each_experiments_label(write):
    write("experiments", "x", experiment())
    write("experiments", "y", experiment(agents={"other": {"agent": "mac"}, "flow_bc": {}}))
    plan = Plan(["x", "y"])
    assert {run.label for run in plan.runs["y"]} == {"other", "flow_bc"}
    assert {r.job.directory for r in plan.runs["x"]} == {r.job.directory for r in plan.runs["y"]}


def marks(plan):
    """Fingerprints by rule and, for evaluations, agent."""
    found = {}
    for job in plan:
        key = f"{job.rule} {job.agent}" if job.rule == "evaluate" else job.rule
        found.setdefault(key, set()).add(job.fingerprint)
    return found


BC = {"agent": "flow_bc", "set": {"act_by": "flow"}}
REPORT = {"aggregate", "render"}
BOTH = {"evaluate mac", "evaluate flow_bc"}
STAGES = {"train_model", "train_heads", "train_behaviour", "train_value"}
DATA = {"collect", "build"}
VALUES = {"train_value", "evaluate mac"} | REPORT
HEADS = {"train_heads"} | VALUES
BEHAVIOUR = {"train_behaviour", "train_value"} | BOTH | REPORT
ALWAYS = [
    ("evaluate.episodes", 3, BOTH | REPORT),
    ("evaluate.first_seed", 7, BOTH | REPORT),
    ("evaluate.num_candidates", 3, {"evaluate mac"} | REPORT),
    ("report.checkpoint", "mean_last_3", REPORT),
    ("value.td_lambda", 0.5, VALUES),
    ("value.checkpoint_every", 5, VALUES),
    ("compute.precision", "bf16", VALUES),
    ("compute.threads", 2, set()),
    ("compute.save_every_s", 2.0, set()),
    ("compute.writers", ["tensorboard", "wandb"], set()),
    ("heads.hidden_dims", [8], HEADS),
    ("model.hidden_dims", [8], {"train_model"} | VALUES),
    ("model.layer_norm", False, {"train_model"} | VALUES),
    ("behaviour.flow_steps", 3, BEHAVIOUR),
    ("data.all_anchors", True, STAGES | BOTH | REPORT),
    ("chunk_length", 5, STAGES | BOTH | REPORT),
    ("batch_size", 5, STAGES | BOTH | REPORT),
    ("data.normalizer", "train", STAGES | BOTH | REPORT),
    ("data.train_episodes", 5, DATA | STAGES | BOTH | REPORT),
    ("data.seed", 5, DATA | STAGES | BOTH | REPORT),
    ("data.precision", "float16", {"build"} | STAGES | BOTH | REPORT),
]
IN_ONE_MODE = [
    ("reward", "discount", 0.9, HEADS),
    ("reward", "chunk_reward", "sum", HEADS),
    ("reward", "goals.actor.geometric", False, set()),
    ("goal", "discount", 0.9, HEADS | BEHAVIOUR),
    ("goal", "goals.value.geometric", True, HEADS | BEHAVIOUR),
    ("goal", "goals.actor.geometric", False, BEHAVIOUR),
    ("goal", "goals.negative", False, HEADS),
    ("goal", "chunk_reward", "sum", set()),
]


@pytest.mark.parametrize(
    ("mode", "key", "value", "affected"),
    [(mode, *case) for case in ALWAYS for mode in ("reward", "goal")] + IN_ONE_MODE,
)
def test_a_changed_value_changes_exactly_what_depends_on_it(write, mode, key, value, affected):
    content = experiment(suites={mode: {"cube-single": [1, 2]}})
    write("experiments", "x", content)
    before = marks(Plan(["x"]))
    write("experiments", "x", {**content, "set": {**content["set"], key: value}})
    after = marks(Plan(["x"]))
    assert {name for name in before if before[name] != after[name]} == affected


@pytest.mark.parametrize("on", [False, True])
def test_a_fingerprint_holds_a_variant_only_where_it_differs_from_its_default(write, on):
    values = {"model.layer_norm": False, "data.all_anchors": True} if on else {}
    write("experiments", "x", experiment(set={**experiment()["set"], **values}))
    (cell, _) = Experiment("x").cells
    content = stage_reads(cell, MODEL)
    assert ("layer_norm" in content["model"]) == on
    assert ("data.all_anchors" in content) == on
    assert content["model"]["hidden_dims"] == [1024] * 4


def test_parts_trained_jointly_without_a_task_are_trained_once_for_all_tasks(write):
    agents = {"mac": {}, "flow_bc": {}}
    values = experiment()["set"] | {"schedule": "joint"}
    write("experiments", "x", experiment(agents=agents, set=values))
    plan = Plan(["x"])
    trained = Counter((job.agent, job.rule) for job in plan if job.rule.startswith("train_"))
    assert trained == {("mac", "train_agent"): 4, ("flow_bc", "train_behaviour"): 2}
    assert plan.find("train_behaviour", label="flow_bc", seed=0).task == "cube-single-play"
    write("experiments", "x", experiment(agents={"model_error": {}}, set=values))
    assert counts(Plan(["x"]))["train_model"] == 2


def test_models_are_measured_once_for_all_tasks_and_modes(write):
    agents = {"model_error": {}}
    write("experiments", "x", experiment(agents=agents))
    write("experiments", "y", experiment(agents=agents, suites={"goal": {"cube-single": None}}))
    plan = Plan(["x", "y"])
    assert counts(plan)["evaluate"] == 2
    assert len(plan.runs["x"]) == len(plan.runs["y"]) == 2
    hours = estimate.estimate(plan, ["x"], [j for j in plan if j.rule == "evaluate"])["hours"]
    assert hours == {"cpu": 0.0}  # a few predictions, no episode


@pytest.mark.parametrize("fact", ["tasks", "goal_dim", "env_id"])
def test_data_are_built_anew_for_another_environment(write, fact):
    write("experiments", "x", experiment(set={"schedule": "staged", "steps": 10}))
    before = marks(Plan(["x"]))
    line = SUITE["environments"]["cube-single"]
    value = "cube-single-v1" if fact == "env_id" else 4
    write("suites", "reward", {**SUITE, "environments": {"cube-single": {**line, fact: value}}})
    after = marks(Plan(["x"]))
    assert {name for name in before if before[name] == after[name]} == {"fetch"}


def test_diagnoses_are_jobs_of_the_first_seed_and_change_no_other(write):
    without, diagnosed = (
        experiment(seeds=[4, 5], agents={"mac": None, "flow_bc": None}, diagnose=on)
        for on in (False, True)
    )
    write("experiments", "x", without)
    before = list(Plan(["x"]))
    write("experiments", "x", diagnosed)
    plan = Plan(["x"])
    looks = [job for job in plan if job.rule == "diagnose"]
    assert {(job.label, job.task_number, job.seed) for job in looks} == {
        (label, task, 4) for label in ("mac", "flow_bc") for task in (1, 2)
    }
    reports = ("aggregate", "render")
    kept = {job.outputs[0] for job in before if job.rule not in reports}
    others = {job.outputs[0] for job in plan if job.rule not in (*reports, "diagnose")}
    assert kept == others
    assert plan.find("aggregate", experiment="x").needed()[-len(looks) :] == looks
    inputs = aggregate_inputs(plan, "x")
    assert list(inputs["diagnoses"]) == [job.outputs[0] for job in looks]


def test_a_diagnosis_is_named_by_the_experiment_that_asks_for_it(write):
    write("experiments", "first", experiment(agents={"other": {"agent": "mac"}}))
    write("experiments", "second", experiment(agents={"mac": None}, diagnose=True))
    plan = Plan(["first", "second"])
    assert {run.job.label for run in plan.runs["second"]} == {"other"}  # the runs are shared
    looks = [job for job in plan if job.rule == "diagnose"]
    assert {(job.experiment, job.label) for job in looks} == {("second", "mac")}


def test_comments_and_order_change_nothing(write):
    content = experiment()
    write("experiments", "x", content)
    before = marks(Plan(["x"]))
    turned = dict(reversed(content.items())) | {"set": dict(reversed(content["set"].items()))}
    write("experiments", "x", "# a comment\n" + yaml.safe_dump(turned, sort_keys=False))
    assert marks(Plan(["x"])) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sedes": [1]}, r"x\.yaml: sedes: .*expected title"),
        ({"seeds": []}, r"x\.yaml: seeds"),
        (
            {"suites": {"reward": {"cube-none": None}}},
            r"cube-none: environment unknown to the suite",
        ),
        (
            {"suites": {"nowhere": {"x": None}}},
            r"x\.yaml: suites\.nowhere: no suite of this name in .*suites; expected .*reward",
        ),
        (
            {"suites": {"reward": {"cube-single": [9]}}},
            r"x\.yaml: suites\.reward\.cube-single: .*no such task.*found 9",
        ),
        (
            {"agents": {"mca": {}}},
            r"x\.yaml: agents\.mca: unknown agent; found mca; expected .*mac",
        ),
        ({"agents": {"mac": ["a"]}}, r"x\.yaml: agents\.mac: must be a mapping; found \['a'\]$"),
        ({"agents": {"mac": {"sets": {}}}}, r"agents\.mac\.sets: unknown .*; did you mean set\?$"),
        (
            {"set": None},
            r"x\.yaml: set: must be a mapping; found nothing; write something below it",
        ),
        ({"paper": "nope"}, r"x\.yaml: paper: no paper of this name in .*; expected .*reward_1m"),
        ({"set": {"discuont": 1}}, r"x\.yaml: discuont: unknown key; did you mean discount"),
        (
            {"set": {"expectile": 0.7}},
            r"x\.yaml: expectile: no agent of this experiment has this key; remove it: .*iql",
        ),
    ],
)
def test_mistakes_are_named_in_one_line(write, changes, message):
    write("experiments", "x", experiment(**changes))
    with pytest.raises(ConfigError, match=message) as caught:
        Plan(["x"])
    assert "\n" not in str(caught.value)


def test_a_misspelt_required_key_is_suggested(write):
    content = experiment()
    content["titel"] = content.pop("title")
    write("experiments", "x", content)
    with pytest.raises(ConfigError, match=r"x\.yaml: title: .*; is titel meant to be it\?"):
        Plan(["x"])


def test_chunks_longer_than_the_episodes_are_refused_when_planning(write):
    values = {**experiment()["set"], "chunk_length": 50, "data.episode_length": 49}
    write("experiments", "x", experiment(set=values))
    message = r"x\.yaml: chunk_length: .*; found 50; expected at most data.episode_length: 49"
    with pytest.raises(ConfigError, match=message):
        Plan(["x"])
    write("experiments", "x", experiment(set={**values, "data.episode_length": 50}))
    Plan(["x"])


def test_hours_of_several_experiments_are_told_apart(write):
    write("experiments", "x", experiment())
    write("experiments", "y", experiment(set={**experiment()["set"], "discount": 0.9}))
    result = estimate.estimate(Plan(["x", "y"]), ["x", "y"])
    parts = result["hours_by_experiment"]
    assert [*parts] == ["x", "y"] and parts["x"] != parts["y"]
    for device, hours in result["hours"].items():
        assert hours == pytest.approx(sum(own.get(device, 0) for own in parts.values()), abs=0.02)
    lines = estimate.text(result).splitlines()
    assert sum(line.startswith(("    x  ", "    y  ")) for line in lines) == 2
    alone = estimate.estimate(Plan(["x"]), ["x"])
    assert "by experiment" not in estimate.text(alone)


@pytest.mark.parametrize("part", ["set", "suite_set", "agent", "suites"])
def test_an_experiment_may_name_a_value_that_is_the_default(write, part):
    content = experiment()
    write("experiments", "x", content)
    before = marks(Plan(["x"]))
    named = {"schedule": "staged", "discount": 0.999, "evaluate.num_candidates": 32}
    if part == "set":
        content["set"] = {**content["set"], **named}
    elif part == "suite_set":
        content["suite_set"] = {"reward": named}
    elif part == "agent":
        content["agents"] = {"mac": {"set": named}, "flow_bc": {}}
    else:
        content["agents"] = {"mac": {"suites": {"reward": named}}, "flow_bc": {}}
    write("experiments", "x", content)
    assert marks(Plan(["x"])) == before


@pytest.mark.parametrize(
    ("values", "unread"),
    [
        ({"goals.negative": False}, ": none of them reads goals.negative;"),
        (
            {"goals.negative": False, "evaluate.num_candidates": 3},
            ": none of them reads evaluate.num_candidates, goals.negative;",
        ),
        ({"alpha": 1.0}, "; set something that is run"),  # what iql.yaml gives it on this data set
    ],
)
def test_labels_of_the_same_runs_are_refused(write, values, unread):
    agents = {"a": {"agent": "iql"}, "b": {"agent": "iql", "set": values}}
    write("experiments", "x", experiment(agents=agents))
    message = rf"x\.yaml: agents\.b: b and a are the same runs{unread}"
    with pytest.raises(ConfigError, match=message):
        Plan(["x"])


def test_labels_that_share_some_runs_may_be_compared(write):
    both = {"reward": {"cube-single": [1]}, "goal": {"cube-single": [1]}}
    agents = {"a": {"agent": "mac"}, "b": {"agent": "mac", "set": {"goals.negative": False}}}
    write("experiments", "x", experiment(agents=agents, suites=both))
    runs = Plan(["x"]).runs["x"]
    made = {
        label: {r.job.fingerprint for r in runs if r.label == label and r.job.task_number}
        for label in agents
    }
    assert made["a"] == made["b"]  # for rewards; for goals the key counts


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\x85", "\ufffe"])
@pytest.mark.parametrize("key", ["title", "caption", "agents"])
def test_characters_that_no_figure_can_show_are_refused(write, key, character):
    """matplotlib would write them into an SVG that no browser opens."""
    text = f"a{character}b"
    write(
        "experiments",
        "x",
        experiment(**{key: {text: {"agent": "mac"}} if key == "agents" else text}),
    )
    with pytest.raises(ConfigError) as caught:
        Experiment("x")
    line = str(caught.value)
    where = f"x.yaml: agents.{text!r}: a label" if key == "agents" else f"x.yaml: {key}: a text"
    assert f"{where} cannot hold the character {character!r}; found {text!r}" in line
    assert character not in line and "\n" not in line


def test_a_caption_may_have_lines_and_a_label_any_script(write):
    write(
        "experiments",
        "x",
        experiment(caption="one\n\ttwo\n", title="λ → ∞", agents={"MAC (λ, №2)": {"agent": "mac"}}),
    )
    assert Experiment("x").cells[0].label == "MAC (λ, №2)"
    write("experiments", "y", experiment(agents={"two\nlines": {"agent": "mac"}}))
    with pytest.raises(ConfigError, match="a label cannot hold"):
        Experiment("y")


def test_overrides_and_suite_lines_that_change_nothing_are_refused(write):
    write("experiments", "x", experiment())
    write("agents", "mac", {"overrides": {"cube-*": {"discount": 0.999}}})
    with pytest.raises(ConfigError, match=r"mac\.yaml \(cube-\*\): discount: .*changes nothing"):
        Plan(["x"])
    write("agents", "mac", {})
    line = {**SUITE["environments"]["cube-single"], "set": {"discount": 0.999}}
    write("suites", "reward", {**SUITE, "environments": {"cube-single": line}})
    with pytest.raises(ConfigError, match=r"\(cube-single\): discount: .*changes nothing"):
        Plan(["x"])


@pytest.mark.parametrize(
    ("agent", "content", "message"),
    [
        (
            "mac",
            {"overrides": {"cube-nine*": {"discount": 0.9}}},
            r"mac\.yaml: overrides\.cube-nine\*: no data set matches this pattern; "
            r"expected a pattern of .*cube-single-play",
        ),
        (
            "iql",
            {"overrides": {"humanoidmaze-*": {"discount": 0.9}}},  # in suites of goals alone
            r"iql\.yaml: overrides\.humanoidmaze-\*: no data set matches",
        ),
        (
            "iql",
            {"modes": {"goal": {"discount": 0.9}}},
            r"iql\.yaml: modes\.goal: agent iql does not know this mode; expected reward",
        ),
        (
            "mac",
            {"tuning": {"sea-*": {"settings": 1, "source": "s"}}},
            r"mac\.yaml: tuning\.sea-\*: no data set matches",
        ),
        (
            "mac",
            {"tuning": {"*": {"settings": 0, "source": "s"}}},
            r"mac\.yaml: tuning\.\*\.settings: .*greater than or equal to 1; found 0",
        ),
        (
            "mac",
            {
                "tuning": {
                    "cube*": {"settings": 1, "source": "s"},
                    "*play": {"settings": 2, "source": "s"},
                }
            },
            r"mac\.yaml: tuning: two patterns match cube-.*-play equally well",
        ),
        ("mac", {"modes": {"gaol": {}}}, r"mac\.yaml: modes\.gaol: .*'reward' or 'goal'"),
        (
            "iql",  # the experiment plays cube-single-play in reward mode
            {"overrides": {"puzzle-*": {"alhpa": 1.0}}},
            r"iql\.yaml \(puzzle-\*\): alhpa: unknown key; did you mean alpha\?",
        ),
        (
            "mac",
            {"overrides": {"puzzle-*": {"value.td_lambda": "high"}}},
            r"mac\.yaml \(puzzle-\*\): value\.td_lambda: must be a number; found 'high'",
        ),
        (
            "mac",
            {"overrides": {"puzzle-*": {"discount": 0.999}}},
            r"mac\.yaml \(puzzle-\*\): discount: .*changes nothing",
        ),
        (
            "mac",
            {"overrides": {"puzzle-*": {"mode": "goal"}}},
            r"mac\.yaml \(puzzle-\*\): mode: not a setting",
        ),
        (
            "mac",
            {"overrides": {"puzzle*": {"discount": 0.9}, "*3-play": {"discount": 0.8}}},
            r"mac\.yaml: overrides: two patterns match puzzle-.* equally well",
        ),
        (
            "mac",
            {"modes": {"goal": {"vlaue.td_lambda": 0.5}}},
            r"mac\.yaml \(modes\.goal\): vlaue\.td_lambda: unknown key",
        ),
        ("mac", {"set": {"discount": 0.999}}, r"mac\.yaml: discount: .*changes nothing"),
        (
            "mac",
            {"modes": {"reward": {"discount": 0.999}}},
            r"mac\.yaml \(modes\.reward\): discount: .*changes nothing",
        ),
        ("mac", "", r"mac\.yaml: is empty; an agent that changes nothing has `set: \{\}`"),
    ],
)
def test_what_an_agents_file_says_to_nobody_is_refused(write, agent, content, message):
    """Also where the experiment at hand would not have asked for it."""
    write("experiments", "x", experiment(agents={agent: {}}, set={"data.source": "collect"}))
    write("agents", agent, content)
    with pytest.raises(ConfigError, match=message) as caught:
        Plan(["x"])
    assert "\n" not in str(caught.value)


def test_a_file_of_no_agent_is_refused(write):
    write("experiments", "x", experiment())
    write("agents", "flow_cb", {"set": {"discount": 0.9}})
    with pytest.raises(
        ConfigError, match=r"flow_cb\.yaml: belongs to no agent; expected flow_bc\.y"
    ):
        Plan(["x"])


def test_how_settings_were_found_is_told_of_the_agents_own_data_sets(write):
    both = {"reward": {"cube-single": [1]}, "toy_reward": {"pointmass": [1]}}
    agents = {
        "mac": {},
        "random": {
            "suites": {"toy_reward": None},
            "tuning": {"cube-*": {"settings": 1, "source": "s"}},
        },
    }
    write("experiments", "x", experiment(agents=agents, suites=both))
    message = r"random\.tuning\.cube-\*: no data set matches this .*a pattern of pointmass-play"
    with pytest.raises(ConfigError, match=message):
        Plan(["x"])


def test_how_settings_were_found_is_told_by_the_most_specific_pattern(write):
    def told(count):
        return {"settings": count, "source": f"source {count}"}

    write("agents", "mac", {"tuning": {"*": told(1), "cube-*": told(2)}})
    write("experiments", "x", experiment(agents={"mac": {}, "flow_bc": {}}, set={}))
    write("agents", "flow_bc", {})
    settings = render_inputs(Plan(["x"]), "x")["config"]["settings"]
    assert {s["label"]: s["tuning"] for s in settings} == {"mac": told(2), "flow_bc": None}
    before = marks(Plan(["x"]))
    agents = {"mac": {"tuning": {"*": told(3)}}, "flow_bc": {}}
    write("experiments", "x", experiment(agents=agents, set={}))
    plan = Plan(["x"])
    settings = render_inputs(plan, "x")["config"]["settings"]
    assert {s["label"]: s["tuning"] for s in settings} == {"mac": told(3), "flow_bc": None}
    after = marks(plan)
    assert {name for name in before if before[name] != after[name]} == {"render"}
    wrong = {"mac": {"tuning": {"scene-*": told(3)}}, "flow_bc": {}}
    write("experiments", "x", experiment(agents=wrong))
    with pytest.raises(
        ConfigError, match=r"x\.yaml: agents\.mac\.tuning\.scene-\*: no data set matches"
    ):
        Plan(["x"])


def test_what_an_experiment_changes_is_not_told_to_be_from_the_agents_source(write):
    """What training or acting depends on; when to look at it, and who else has a key, is not."""
    told = {"settings": 1, "source": "a paper"}
    agents = {
        "mac": {"set": {"discount": 0.9, "value.rollout_length": 3}},
        "iql": {"suites": {"reward": {"alpha": 2.0}}},
        "said": {"agent": "iql", "set": {"alpha": 3.0}, "tuning": {"*": told}},
        "plain": {"agent": "iql"},
        "random": {},
    }
    shared = {"value.checkpoint_every": 5, "checkpoint_every": 5, "schedule": "staged"}
    for name in ("mac", "iql", "random"):
        write("agents", name, {"tuning": {"*": told}})

    def found(**values):
        write("experiments", "x", experiment(agents=agents, set={**shared, **values}))
        plan = Plan(["x"])
        settings = render_inputs(plan, "x")["config"]["settings"]
        return {s["label"]: s["tuning"] for s in settings}, marks(plan)["render"]

    before, mark = found()
    assert before == {
        "mac": {**told, "changed": ["discount", "value.rollout_length"]},
        "iql": {**told, "changed": ["alpha"]},
        **dict.fromkeys(("said", "plain", "random"), told),
    }
    after, other = found(**{"steps": 40, "evaluate.episodes": 3})
    assert after["plain"] == {**told, "changed": ["steps"]}
    assert after["mac"]["changed"] == ["discount", "steps", "value.rollout_length"]
    assert after["said"] == after["random"] == told
    assert mark != other


def test_an_agent_takes_part_in_the_suites_it_names_with_values_of_its_own_there(write):
    write("suites", "goals", {**SUITE, "mode": "goal"})
    suites = {"reward": {"cube-single": [1]}, "goals": {"cube-single": [1]}}
    agents = {
        "iql": {"suites": {"reward": {"alpha": 3.0}}, "set": {"alpha": 2.0, "expectile": 0.7}},
        "mac": {"suites": {"reward": None, "goals": {"discount": 0.9}}},
        "flow_bc": {},
    }
    write("experiments", "x", experiment(suites=suites, agents=agents))
    cells = Experiment("x").cells
    found = {(cell.label, cell.resolved.config.mode) for cell in cells}
    pairs = {(label, mode) for label in ("mac", "flow_bc") for mode in ("reward", "goal")}
    assert found == {("iql", "reward")} | pairs
    values = {(c.label, c.resolved.config.mode): c.resolved for c in cells}
    assert values["iql", "reward"].value("alpha") == 3.0
    assert values["iql", "reward"].value("expectile") == 0.7
    assert values["mac", "goal"].value("discount") == 0.9
    assert values["mac", "reward"].value("discount") == 0.999
    origin = values["iql", "reward"].origins["alpha"]
    assert origin.endswith("x.yaml (agents.iql.suites.reward)")
    agents["iql"]["suites"] = {"rewards": None}
    write("experiments", "x", experiment(suites=suites, agents=agents))
    message = r"x\.yaml: agents\.iql\.suites\.rewards: no suite of this experiment"
    with pytest.raises(ConfigError, match=message):
        Experiment("x").cells  # noqa: B018


def test_values_of_a_mode_lie_between_an_agents_own_and_its_overrides(write):
    write("suites", "goals", {**SUITE, "mode": "goal"})
    content = {
        "set": {"discount": 0.5, "batch_size": 5},
        "modes": {"reward": {"discount": 0.6, "steps": 6}},
        "overrides": {"cube-*": {"discount": 0.7}},
    }
    write("agents", "mac", content)
    suites = {"reward": {"cube-single": [1]}, "goals": {"cube-single": [1]}}
    write("experiments", "x", experiment(suites=suites, agents={"mac": {}}, set={}))
    found = {
        cell.resolved.config.mode: [
            cell.resolved.value(k) for k in ("discount", "batch_size", "steps")
        ]
        for cell in Experiment("x").cells
    }
    assert found == {"reward": [0.7, 5, 6], "goal": [0.7, 5, 1_000_000]}


def test_an_impossible_pairing_is_refused_by_name(write, monkeypatch):
    from mac.agents.flow_bc import FlowBC

    monkeypatch.setattr(FlowBC, "modes", ("goal",))
    write("experiments", "x", experiment())
    with pytest.raises(
        ConfigError, match=r"agents\.flow_bc: agent flow_bc does not know reward mode"
    ):
        Plan(["x"])


def commit(plan, name, chosen=lambda run: True):
    """Write what a clone has of an experiment's evaluations: their rows and the stamp."""
    folder = Path("results") / name
    folder.mkdir(parents=True)
    (folder / "episodes.parquet").write_text("rows")
    held = {run.job.outputs[0]: "hash" for run in plan.runs[name] if chosen(run)}
    return write_stamp(folder, "aggregate", "old", [folder / "episodes.parquet"], held)


def todo(plan):
    return Counter(job.rule for job in estimate.unfinished(plan))


def test_committed_rows_are_not_made_again(write, clone):
    write("experiments", "x", experiment())
    plan = Plan(["x"])
    commit(plan, "x")
    assert todo(plan) == {"aggregate": 1, "render": 1}  # as after a raised revision of statistics
    assert plan.find("aggregate").inputs == []
    write("experiments", "x", experiment(agents={"mac": {}, "flow_bc": {}, "bc": BC}))
    assert todo(Plan(["x"])) == {
        **{"collect": 1, "build": 1, "train_behaviour": 2, "evaluate": 4},
        **{"aggregate": 1, "render": 1},
    }
    write("experiments", "x", experiment(seeds=[0, 1, 2]))
    plan = Plan(["x"])
    assert {job.seed for job in estimate.unfinished(plan) if job.seed is not None} == {2}
    assert len(plan.find("aggregate").inputs) == todo(plan)["evaluate"] == 4


def test_only_the_experiments_own_rows_count_and_files_that_are_there_are_read(write, clone):
    for name in ("x", "y"):
        write("experiments", name, experiment(agents={"flow_bc": {}}))
    plan = Plan(["x", "y"])
    commit(plan, "x", lambda run: run.job.seed == 0)
    assert todo(plan)["evaluate"] == 4  # y has none of them
    assert len(plan.find("aggregate", experiment="x").inputs) == 2
    there = Path(plan.runs["x"][0].job.outputs[0])
    there.parent.mkdir(parents=True)
    there.touch()
    assert str(there) in plan.find("aggregate", experiment="x").inputs


def test_committed_rows_that_changed_are_refused_in_one_line(write, clone, capsys):
    write("experiments", "x", experiment())
    commit(Plan(["x"]), "x")
    Path("results/x/episodes.parquet").write_text("better")
    with pytest.raises(SystemExit):
        planned(["x"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mac: results/x/episodes.parquet: file differs from its stamp")


def test_an_environment_without_data_is_left_out_and_reported(write):
    write(
        "experiments", "x", experiment(suites={"reward": {"cube-single": [1], "cube-lost": None}})
    )
    plan = Plan(["x"])
    assert plan.unavailable == {"cube-lost": "hosted nowhere"}
    assert "no data: cube-lost (hosted nowhere)" in estimate.text(estimate.estimate(plan, ["x"]))
    assert aggregate_inputs(plan, "x")["no_data"] == {"cube-lost": "hosted nowhere"}
    before = marks(plan)
    write("suites", "reward", {**SUITE, "unavailable": {"cube-lost": "another reason"}})
    after = marks(Plan(["x"]))
    assert {name for name in before if before[name] != after[name]} == REPORT


def test_the_papers_numbers_are_found_like_every_configuration(write):
    path = write("paper", "mine", "source: a thesis\n")
    write("experiments", "x", experiment(paper="mine"))
    plan = Plan(["x"])
    assert render_inputs(plan, "x")["config"]["paper"] == path
    before = marks(plan)
    write("paper", "mine", "source: an article\n")
    after = marks(Plan(["x"]))
    assert {name for name in before if before[name] != after[name]} == {"render"}


def test_all_shipped_experiments_plan_within_the_limit():
    assert set(listed()) <= set(available())
    assert {"smoke", "quick", "schedule_check", "reward_1m", "goal_100m", "model_error"} <= set(
        available()
    )
    assert 1000 < len(Plan(available())) <= 10_000


def test_work_for_a_gpu_is_refused_without_one(clone, monkeypatch):
    monkeypatch.setattr(estimate, "visible", list)
    monkeypatch.delenv("MAC_INSIST", raising=False)
    jobs = estimate.unfinished(Plan(["reward_1m"]))
    message = r"reward_1m needs a GPU: about [\d,]+ GPU-hours.*cores all quick.*MAC_INSIST=1"
    with pytest.raises(DeviceError, match=message) as caught:
        estimate.check_gpu(jobs)
    assert "\n" not in str(caught.value)
    estimate.check_gpu([job for job in jobs if not job.rule.startswith("train_")])
    estimate.check_gpu(estimate.unfinished(Plan(["quick"])))
    monkeypatch.setenv("MAC_INSIST", "1")
    estimate.check_gpu(jobs)


def test_planning_is_light_and_prints_json():
    code = (
        "import sys; sys.argv = ['mac', 'plan', 'quick', '--json']\n"
        "from mac.cli import main\n"
        "main(standalone_mode=False)\n"
        "heavy = {'torch', 'ogbench', 'pandas', 'scipy', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {"jobs", "downloads_gb", "disk_gb", "hours"} <= result.keys()
    assert result["downloads_gb"] == 0


EXTERNAL = """
from mac import components as c
from mac.agents.base import Agent, register
from mac.agents.stages import whole
from mac.config.baselines import BaselineConfig


@register("own")
class Own(Agent):
    Config = BaselineConfig
    stages = (whole(view="steps", networks={}),)
    acts_with = ("agent",)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes an agent of the user's; what was found of earlier ones is forgotten."""
    folder = tmp_path / "agents_of_mine"
    folder.mkdir()
    monkeypatch.setenv("MAC_AGENT_PATH", str(folder))

    def write_agent(more=""):
        (folder / "own.py").write_text(EXTERNAL + more)
        base._discover.cache_clear()
        base._REGISTRY.pop("own", None)

    yield write_agent
    base._discover.cache_clear()
    base._REGISTRY.pop("own", None)


def test_an_agent_without_sized_networks_is_planned_and_estimated(own, write):
    own()
    write("agents", "own", {})
    write("experiments", "x", experiment(agents={"own": {}}, set={}))
    found = estimate.estimate(Plan(["x"]), ["x"])
    assert found["hours"]["cpu"] > 0  # its data and its episodes


def test_an_edited_agent_of_the_users_is_trained_and_evaluated_anew(own, write):
    def marks():
        write("agents", "own", {})
        write("experiments", "x", experiment(agents={"own": {}}, set={}))
        return {(job.rule, job.fingerprint) for job in Plan(["x"]) if job.label}

    own()
    before = marks()
    own()
    assert marks() == before
    own(more="# a line more\n")
    assert {rule for rule, _ in marks() - before} == {rule for rule, _ in before}
