"""What configuration files say, as a user asks for it."""

import json

import yaml
from click.testing import CliRunner

from mac.cli import main
from mac.planning import files

TEXT = {
    "set": {"alpha": 2.0, "value": {"hidden_dims": [8]}},
    "modes": {"reward": {"discount": 0.9}},
    "overrides": {"cube-*": {"alpha": 4.0}},
}


def test_the_schema_tells_what_files_give_to_the_agent(tmp_path, monkeypatch):
    path = tmp_path / "agents" / "iql.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(TEXT))
    monkeypatch.setenv("MAC_CONFIG_PATH", str(tmp_path))
    files.read_config.cache_clear()

    def schema(*key):
        return json.loads(
            CliRunner().invoke(main, ["config", "schema", *key, "--agent", "iql"]).stdout
        )

    shown = schema("alpha")
    assert shown["type"] == "number" and shown["default"] != 2.0
    alpha = {f"{path}": {"alpha": 2.0}, f"{path} (cube-*)": {"alpha": 4.0}}
    assert list(shown["given"].items()) == list(alpha.items())  # later ones are stronger
    assert schema("discount")["given"] == {f"{path} (modes.reward)": {"discount": 0.9}}
    assert schema("value")["given"] == {f"{path}": {"value.hidden_dims": [8]}}
    assert schema("value.layer_norm")["given"] == {}
    assert {key for values in schema()["given"].values() for key in values} == {
        *("alpha", "discount", "value.hidden_dims")
    }
