"""Shards are collected by jobs of their own, and one store is built from them."""

from __future__ import annotations

import copy
import json
import subprocess

from mac.data.collect import collect
from mac.data.store import Store
from tests.specs import POINTMASS
from tests.workflow.conftest import BIN, EXPERIMENT, Project


def test_shards_are_jobs_and_go_into_one_store_in_order(tmp_path):
    content = copy.deepcopy(EXPERIMENT)
    content["set"]["data"] |= {"shards": 3, "seed": 7}
    project = Project.create(tmp_path / "shards")
    project.write("experiments/tiny", content)
    names = ["--experiment", "tiny", "--task", "pointmass-play"]

    def mac(*arguments):
        command = [BIN / "mac", "data", *arguments]
        done = subprocess.run(
            command, cwd=project.folder, env=project.environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    mac("collect", *names, "--shard", "1")
    (early,) = project.folder.glob("data/raw/*")
    assert early.name.startswith("pointmass-play-001-")
    untouched = early.joinpath("run.yaml").read_bytes()
    assert project.planned("tiny")["collect"] == 2

    done = project.snakemake("tiny", "--until", "build")
    assert done.returncode == 0, done.stdout
    assert early.joinpath("run.yaml").read_bytes() == untouched
    assert len(list(project.folder.glob("logs/pointmass-play/collect-00?-*.log"))) == 2
    assert mac("collect", *names).count("done before") == 3

    (folder,) = project.folder.glob("data/stores/*")
    store = Store.open(folder)
    expected = [f"pointmass-play-v0-{index:03d}" for index in range(3)]
    for split, kind in (("train", ""), ("validation", "-val")):
        files = store.manifest["splits"][split]["files"]
        assert [file["name"] for file in files] == [f"{name}{kind}.npz" for name in expected]
    assert store.split("train").files == (3, 3, 3)

    told = json.loads(mac("describe", "pointmass-play", "--json"))
    assert told["splits"]["train"] == {
        "files": 3,
        "episodes": 9,
        "transitions": 360,
        "episode_lengths": {"min": 40, "median": 40.0, "max": 40},
    }
    assert told == json.loads(mac("describe", *names, "--json"))

    for index, name in enumerate(expected):
        alone = [tmp_path / f"{name}.npz", tmp_path / f"{name}-val.npz"]
        settings = {"train_episodes": 3, "episode_length": 40, "seed": 7 + index}
        collect(POINTMASS, *alone, **settings, resume_dir=tmp_path / "resume")
        for path in alone:
            (found,) = project.folder.glob(f"data/raw/*/{path.name}")
            assert found.read_bytes() == path.read_bytes()
