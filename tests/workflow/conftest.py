"""One run of a tiny experiment through the real workflow, in its own folder, shared by tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

SUITE = {
    "mode": "reward",
    "environments": {
        "pointmass": {
            "dataset": "pointmass-play",
            "env_id": "pointmass",
            "tasks": 5,
            "observation_dim": 4,
            "action_dim": 2,
            "goal_dim": 2,
            "max_episode_steps": 60,
            "simulator": "toy",
        }
    },
}
EXPERIMENT = {
    "title": "Tiny",
    "caption": "A test.",
    "suites": {"toy": {"pointmass": [1]}},
    "agents": {"mac": None, "flow_bc": None},
    "seeds": [0, 1],
    "baseline": "flow_bc",
    "set": {
        "schedule": "staged",
        "data": {"source": "collect", "train_episodes": 3, "episode_length": 40},
        "steps": 40,
        "batch_size": 16,
        "chunk_length": 4,
        "model.hidden_dims": [16],
        "heads.hidden_dims": [16],
        "behaviour.hidden_dims": [16],
        "value": {
            "hidden_dims": [16],
            "critic_hidden_dims": [16],
            "rollout_length": 2,
            "checkpoint_every": 20,
        },
        "evaluate": {"episodes": 3, "batch_width": 2, "num_candidates": 4},
    },
}


class Project:
    """A working copy of the workflow with the tiny experiment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables: dict[str, str] = {}

    @classmethod
    def create(cls, folder: Path) -> Project:
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "Snakefile", folder)
        for name in ("workflow", "configs"):
            shutil.copytree(ROOT / name, folder / name)
        (folder / "profiles").symlink_to("workflow/profiles")
        project = cls(folder)
        project.write("suites/toy", SUITE)
        project.write("experiments/tiny", EXPERIMENT)
        return project

    def clone(self, folder: Path) -> Project:
        """What a fresh clone with results in place has: no .snakemake, new modification times."""
        shutil.copytree(
            self.folder,
            folder,
            symlinks=True,
            ignore=shutil.ignore_patterns(".snakemake", "logs", "benchmarks"),
            copy_function=shutil.copyfile,
        )
        return Project(folder)

    def committed(self, folder: Path) -> Project:
        """What a fresh clone has: tables, rows and stamps, not the stages and the data."""
        clone = self.clone(folder)
        shutil.rmtree(clone.folder / "results" / "stages")
        shutil.rmtree(clone.folder / "data")
        return clone

    def write(self, name: str, content: object) -> None:
        (self.folder / "configs" / f"{name}.yaml").write_text(yaml.safe_dump(content))

    def environment(self) -> dict[str, str]:
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, **self.variables}

    def snakemake(self, *arguments: str, cores: int = 2) -> subprocess.CompletedProcess[str]:
        """Output and errors together."""
        return subprocess.run(
            [BIN / "snakemake", "--cores", str(cores), *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def planned(self, *arguments: str) -> dict[str, int]:
        """Number of jobs of each rule that a dry run announces."""
        done = self.snakemake("-n", *arguments)
        assert done.returncode == 0, done.stdout
        if "Nothing to be done" in done.stdout:
            return {}
        table = done.stdout.split("Job stats:")[1].split("\n\n")[0].splitlines()[3:]
        rows = (line.split() for line in table if line.strip())
        return {
            rule: int(count) for rule, count in rows if rule not in ("total", "all", *arguments)
        }

    def canonical(self) -> dict[str, bytes]:
        """Bytes of everything that must not depend on how the work was done."""
        names = (
            "*.safetensors",
            "metrics.csv",
            "*.parquet",
            "scores.csv",
            "summary.json",
            "table.*",
        )
        files = [f for name in names for f in (self.folder / "results").rglob(name)]
        return {str(f.relative_to(self.folder)): f.read_bytes() for f in files}


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """The tiny experiment, run to its end on two cores."""
    project = Project.create(tmp_path_factory.mktemp("workflow") / "whole")
    done = project.snakemake("tiny")
    assert done.returncode == 0, done.stdout
    return project
