"""Where training keeps its data is told in its log and changes neither name nor bytes."""

from pathlib import Path

import pytest
import yaml

from mac.cli import main
from mac.planning import files
from mac.planning.plan import Plan
from tests.architecture.source import ROOT

WIDTH = {"hidden_dims": [16]}
EXPERIMENT = {
    "title": "where data are kept",
    "caption": "nothing",
    "suites": {"toy_goal": {"pointmass": [1]}},
    "agents": {"gciql": {}},
    "seeds": [0],
    "set": {
        "data": {"train_episodes": 2, "episode_length": 60},
        **{"steps": 20, "batch_size": 16, "value": WIDTH, "actor": WIDTH},
    },
}


def trained(folder, where, monkeypatch):
    """Training job of an experiment in a folder, carried out with all that it needs."""
    (folder / "own/experiments").mkdir(parents=True)
    content = {**EXPERIMENT, "set": {**EXPERIMENT["set"], "compute.store": where}}
    (folder / "own/experiments/kept.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    monkeypatch.setenv("MAC_CONFIG_PATH", f"{folder / 'own'}:{ROOT / 'configs'}")
    monkeypatch.chdir(folder)
    files.read_config.cache_clear()
    for job in Plan(["kept"]):
        if job.rule in ("collect", "build"):
            main(["data", job.rule, *job.options], standalone_mode=False)
        if job.rule.startswith("train_"):
            main([job.rule.replace("_", "-"), *job.options], standalone_mode=False)
            return job
    pytest.fail("nothing to train")


def test_weights_are_the_same_on_the_device_and_on_disk(tmp_path, monkeypatch, capfd):
    on_disk = trained(tmp_path / "disk", "disk", monkeypatch)
    assert "training set" not in capfd.readouterr().err
    there = trained(tmp_path / "device", "device", monkeypatch)
    assert "kept on cpu" in capfd.readouterr().err
    assert there.fingerprint == on_disk.fingerprint
    one, other = (
        (tmp_path / name / on_disk.directory / "checkpoint.safetensors").read_bytes()
        for name in ("disk", "device")
    )
    assert one == other
    assert not Path(on_disk.directory).is_absolute()
