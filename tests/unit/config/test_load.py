import pytest

from mac.agents.base import agent_class
from mac.config.load import Layer, matching, part_of_schema, resolve
from mac.config.schema import ChunkedConfig
from mac.errors import ConfigError
from mac.io import read_yaml

BASE = {"agent": "mac", "mode": "reward"}


def layers(*values):
    named = [Layer.of(f"layer{i}.yaml", v) for i, v in enumerate(values)]
    return [Layer.of("built in", BASE), *named]


def test_later_layers_win_and_every_value_remembers_its_layer():
    found = resolve(layers({"discount": 0.9, "steps": 5}, {"discount": 0.8}), ChunkedConfig)
    assert found.config.discount == 0.8
    assert found.origins["discount"] == "layer1.yaml"
    assert found.origins["steps"] == "layer0.yaml"
    assert found.origins["chunk_length"] == "default"


def test_shared_values_are_shown_where_they_are_used_and_come_from():
    values = {"schedule": "staged", "steps": 5, "heads.steps": 6, "optimiser.decay": "cosine"}
    found = resolve(layers(values), ChunkedConfig)
    assert found.origin("model.steps") == "layer0.yaml (steps)"
    assert found.origin("heads.steps") == "layer0.yaml"
    assert found.origin("value.optimiser.decay") == "layer0.yaml (optimiser.decay)"
    assert found.origin("value.optimiser.weight_decay") == "default"
    assert {"model.steps", "chunk_length"} <= {*found.used} < {*found.origins}
    assert not {"steps", "batch_size", "optimiser.decay"} & {*found.used}
    joint = resolve(layers({"schedule": "joint"}), ChunkedConfig)
    assert {"steps", "optimiser.decay"} <= {*joint.used}


def test_a_syntax_error_has_its_line(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("title: [a\nb: c\n")
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    said = f"{path}: not valid YAML, line 2, column 2: while parsing a flow sequence did not find"
    assert str(caught.value).startswith(said) and "unicode" not in str(caught.value)


def test_a_part_of_the_schema_stands_alone():
    assert part_of_schema(ChunkedConfig, None) == ChunkedConfig.model_json_schema()
    assert part_of_schema(ChunkedConfig, "chunk_length")["minimum"] == 1
    section = part_of_schema(ChunkedConfig, "model.optimiser")
    assert {*section["properties"]} == {"learning_rate", "decay", "weight_decay"}
    for key, message in (("valeu", "did you mean value"), ("steps.x", "nothing below a value")):
        with pytest.raises(ConfigError, match=f"{key}: unknown key; .*{message}"):
            part_of_schema(ChunkedConfig, key)


def test_nested_and_dotted_keys_mean_the_same():
    nested = resolve(layers({"value": {"td_lambda": 0.5}}), ChunkedConfig)
    dotted = resolve(layers({"value.td_lambda": 0.5}), ChunkedConfig)
    assert nested.plain == dotted.plain


@pytest.mark.parametrize(
    "values",
    [
        {"actor": {"hidden_dims": [4]}, "actor.hidden_dims": [8]},
        {"actor.hidden_dims": [8], "actor": {"hidden_dims": [8]}},
    ],
)
def test_a_key_in_two_spellings_is_refused(values):
    with pytest.raises(ConfigError, match=r"^a\.yaml: actor\.hidden_dims: is set twice"):
        Layer.of("a.yaml", values)


def test_stages_take_shared_steps_batch_size_and_optimiser_unless_they_have_their_own():
    shared = {
        "steps": 7,
        "batch_size": 3,
        "optimiser.learning_rate": 0.1,
        "optimiser.decay": "cosine",
    }
    own = {"schedule": "staged", "heads": {"steps": 9, "optimiser": {"learning_rate": 0.2}}}
    config = resolve(layers(shared, own), ChunkedConfig).config
    assert (config.model.steps, config.model.batch_size) == (7, 3)
    assert config.model.optimiser.learning_rate == 0.1
    assert config.heads.steps == 9
    assert config.heads.optimiser.learning_rate == 0.2
    assert config.heads.optimiser.decay == "cosine"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"discuont": 0.9}, r"layer0\.yaml: discuont: unknown key; did you mean discount\?"),
        ({"value": {"tdlambda": 1}}, r"layer0\.yaml: value\.tdlambda: .*value\.td_lambda"),
        ({"discount": 1.5}, r"layer0\.yaml: discount: .*less than 1.*found 1\.5"),
        ({"chunk_length": 0}, r"layer0\.yaml: chunk_length: .*found 0"),
        ({"chunk_length": "ten"}, r"layer0\.yaml: chunk_length: .*found 'ten'"),
        ({"model.hidden_dims": []}, r"layer0\.yaml: model\.hidden_dims"),
        ({"behaviour.policy": "vae"}, r"layer0\.yaml: behaviour\.policy: .*found 'vae'"),
        ({"goals.value.random": 0.9}, r"layer0\.yaml: goals\.value: .*must be 1"),
        (
            {"evaluate.execute_length": 99},
            r"layer0\.yaml: evaluate\.execute_length: 99 exceeds chunk_length 10",
        ),
        ({"heads.keep": "best"}, r"layer0\.yaml: heads\.keep: best needs validate_every"),
        ({"steps": True}, r"layer0\.yaml: steps: .*integer.*found True"),
        ({"steps": "7"}, r"layer0\.yaml: steps: must be an integer; found '7'; write 7$"),
        ({"steps": 7.0}, r"layer0\.yaml: steps: must be an integer; found 7\.0; write 7$"),
        ({"model.hidden_dims": [8, True]}, r"layer0\.yaml: model\.hidden_dims: .*integer"),
        ({"task_masks": 1}, r"layer0\.yaml: task_masks: .*boolean.*found 1"),
        ({"steps": "7.5"}, r"layer0\.yaml: steps: must be an integer; found '7\.5'$"),
        ({"steps": "inf"}, r"layer0\.yaml: steps: must be an integer; found 'inf'$"),
        (
            {"optimiser.learning_rate": "1e-3"},
            r"optimiser\.learning_rate: must be a number; found '1e-3'; write 0\.001$",
        ),
        (
            {"model.hidden_dims": 64},
            r"layer0\.yaml: model\.hidden_dims: must be a list; found 64; write \[64\]$",
        ),
        ({"discount": "0.9"}, r"layer0\.yaml: discount: .*number.*found '0\.9'"),
        (
            {"optimiser.learning_rate": float("inf")},
            r"layer0\.yaml: optimiser\.learning_rate: .*finite.*found inf",
        ),
        (
            {"model.optimiser.weight_decay": float("nan")},
            r"layer0\.yaml: model\.optimiser\.weight_decay: .*finite.*found nan",
        ),
        (
            {"behaviour.squash": False},
            r"layer0\.yaml: behaviour\.squash: means nothing to policy: distilled_flow",
        ),
        (
            {"value.corrected_critic": True},
            r"layer0\.yaml: value\.corrected_critic: means nothing to loss: squared",
        ),
        ({"heads.validate_every": 5}, r"layer0\.yaml: heads\.validate_every: schedule: joint"),
        ({"model.steps": 5}, r"layer0\.yaml: model\.steps: schedule: joint"),
        ({"value.batch_size": 5}, r"layer0\.yaml: value\.batch_size: schedule: joint"),
        (
            {"behaviour.optimiser.decay": "cosine"},
            r"layer0\.yaml: behaviour\.optimiser: schedule: joint",
        ),
        ({3: 4}, r"layer0\.yaml: 3: a key must be text"),
    ],
)
def test_mistakes_name_file_key_and_value(values, message):
    with pytest.raises(ConfigError, match=message) as caught:
        resolve(layers(values), ChunkedConfig)
    assert "\n" not in str(caught.value)


def test_a_whole_number_may_stand_where_any_number_may():
    config = resolve(layers({"optimiser.learning_rate": 1, "value.td_lambda": 0}), ChunkedConfig)
    assert config.plain["optimiser"]["learning_rate"] == 1.0
    assert isinstance(config.plain["value"]["td_lambda"], float)


def test_joint_training_accepts_stages_that_repeat_the_shared_values():
    config = resolve(layers({"steps": 7, "model.steps": 7}), ChunkedConfig).config
    assert config.schedule == "joint" and config.value.steps == 7


@pytest.mark.parametrize("policy", ["flow", "gaussian"])
def test_flow_bc_acts_by_the_flow_only_beside_its_distilled_policy(policy):
    values = {"agent": "flow_bc", "act_by": "flow", "behaviour.policy": policy}
    with pytest.raises(ConfigError, match=rf"layer0\.yaml: act_by: flow needs .* not {policy}"):
        resolve(layers(values), agent_class("flow_bc").Config)
    values["behaviour.policy"] = "distilled_flow"
    assert resolve(layers(values), agent_class("flow_bc").Config).config.act_by == "flow"


@pytest.mark.parametrize("policy", ["distilled_flow", "gaussian"])
def test_mac_fql_needs_a_flow_to_imitate(policy):
    values = {"agent": "mac_fql", "behaviour.policy": policy}
    with pytest.raises(ConfigError, match=r"layer0\.yaml: behaviour\.policy: mac_fql imitates"):
        resolve(layers(values), agent_class("mac_fql").Config)


def test_an_agents_own_keys_are_known_to_it_alone():
    values = {"agent": "mac_fql", "behaviour.policy": "flow", "distill_weight": 2.0}
    assert resolve(layers(values), agent_class("mac_fql").Config).config.distill_weight == 2.0
    with pytest.raises(ConfigError, match="distill_weight: unknown key"):
        resolve(layers(values), ChunkedConfig)


def test_the_most_specific_pattern_wins_and_equal_ones_are_refused():
    overrides = {"cube-*": {"discount": 0.9, "steps": 4}, "cube-single-*": {"discount": 0.8}}
    found = resolve(layers() + matching(overrides, "cube-single-play", "a.yaml"), ChunkedConfig)
    assert (found.config.discount, found.config.steps) == (0.8, 4)
    assert found.origins["discount"] == "a.yaml (cube-single-*)"
    assert matching(overrides, "scene-play", "a.yaml") == []
    with pytest.raises(ConfigError, match=r"a\.yaml: overrides: two patterns match cube-single"):
        matching({"cube-*": {}, "*-play": {}}, "cube-single-play", "a.yaml")
