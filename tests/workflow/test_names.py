"""Names from configuration files reach shells and paths: quoted, or refused by name."""

import dataclasses

import pytest

from mac.envs.registry import EnvSpec
from mac.errors import ConfigError
from mac.io import read_yaml
from mac.planning.experiment import Experiment
from tests.faults.lab import plan, variant
from tests.specs import POINTMASS

from .conftest import Project

HOSTILE = "two words 'q' \"d\" $(touch hacked) `touch hacked` ; touch hacked # ../up {x} --seed"
UNSAFE = ("../up", "a/b", "$(touch x)", "two words", "'q'", "-n", "a;b", "", ".", "a\nb")


def test_a_hostile_label_goes_through_the_shell_unharmed(tmp_path):
    project = Project.create(tmp_path / "project")
    project.write("experiments/tiny", variant({HOSTILE: {"agent": "flow_bc"}}, steps=5))
    (job,) = [job for job in plan(project, "tiny") if job.stage is not None]
    done = project.snakemake(job.outputs[0])
    assert done.returncode == 0, done.stdout
    record = read_yaml(project.folder / job.directory / "run.yaml")
    assert HOSTILE in record["command"]  # as one argument of a real command line
    assert not list(tmp_path.rglob("*hacked*"))


@pytest.mark.parametrize("name", UNSAFE)
def test_names_that_become_paths_are_plain(name):
    with pytest.raises(ConfigError, match="not a plain name"):
        Experiment(name)
    for key in ("name", "dataset"):
        with pytest.raises(ConfigError, match=f"{key}: not a plain name"):
            dataclasses.replace(POINTMASS, **{key: name})
    assert isinstance(dataclasses.replace(POINTMASS, name="cube-2.b_c"), EnvSpec)
