import pytest

from mac.config.changes import Changed, changes
from mac.errors import ConfigError
from mac.revisions import Folder


def trees(tmp_path, before, after):
    for name, files in (("before", before), ("after", after)):
        for path, text in files.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    return Folder(tmp_path / "before"), Folder(tmp_path / "after")


def test_values_that_differ_are_listed_with_their_file(tmp_path):
    before = {"configs/base.yaml": "steps: 10\nvalue: {loss: bce, rollout: 5}\nsame: [1, 2]\n"}
    after = {"configs/base.yaml": "# new\nsame: [1, 2]\nvalue: {rollout: null}\nsteps: 20\n"}
    found = changes(*trees(tmp_path, before, after), ["configs/*.yaml"])
    file = "configs/base.yaml"
    assert found == [
        Changed(file, "steps", "10", "20"),
        Changed(file, "value.loss", '"bce"', None),
        Changed(file, "value.rollout", "5", "null"),
    ]


def test_an_agent_without_settings_and_a_new_file_count(tmp_path):
    before = {"configs/experiments/x.yaml": "title: old\nagents: {mac: {}}\n"}
    after = {
        "configs/experiments/x.yaml": "title: new\nagents: {mac: {}, flow_bc: {}}\n",
        "configs/agents/flow_bc.yaml": "set: {steps: 3}\n",
        "configs/rates.yaml": "cpu: 3\n",
    }
    patterns = ["configs/agents/*.yaml", "configs/experiments/x.yaml"]
    assert changes(*trees(tmp_path, before, after), patterns) == [
        Changed("configs/agents/flow_bc.yaml", "set.steps", None, "3"),
        Changed("configs/experiments/x.yaml", "agents.flow_bc", None, "{}"),
    ]


def test_files_that_are_no_yaml_are_named(tmp_path):
    sides = trees(tmp_path, {"a.yaml": "a: ["}, {"a.yaml": "a: 1"})
    with pytest.raises(
        ConfigError, match=r"before:a\.yaml: not valid YAML, line \d+, column \d+: "
    ):
        changes(*sides, ["*.yaml"])
