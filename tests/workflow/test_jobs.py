"""Single jobs of the workflow: what they occupy, and that no two copies work at once."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from mac.gpus import visible
from mac.locks import alone

from .conftest import BIN, EXPERIMENT, Project

pytestmark = pytest.mark.xdist_group("workflow")  # they start from the shared run


def with_compute(**values):
    return {**EXPERIMENT, "set": {**EXPERIMENT["set"], "compute": values}}


@pytest.mark.parametrize(("device", "expected"), [("cuda", 1), ("cpu", 0)])
def test_what_jobs_ask_for(tmp_path, device, expected):
    project = Project.create(tmp_path / "fresh")
    project.write("experiments/tiny", with_compute(device=device, workers=2))
    text = project.snakemake("-n", "tiny", cores=4).stdout
    jobs = re.findall(r"^rule (\w+):\n((?:    .*\n)+)", text, re.M)
    assert {rule for rule, _ in jobs} >= {"collect", "train_model", "evaluate", "aggregate"}
    for rule, job in jobs:
        asks = rule.startswith("train_") or rule == "evaluate"
        assert ("gpu=1" in job) == (asks and expected == 1), job
        assert ("threads: 2" in job) == (rule == "evaluate"), job


@pytest.fixture
def undone(finished, tmp_path):
    """A clone in which one training has not been done, and the folder of its outputs."""
    clone = finished.clone(tmp_path / "clone")
    (folder,) = clone.folder.glob("results/stages/pointmass-play/model-*/seed0")
    shutil.move(folder, tmp_path / "made")
    return clone, folder


@pytest.mark.skipif(bool(visible()), reason="this machine has a GPU")
def test_a_missing_gpu_is_one_line_and_jobs_of_one_machine_are_capped(undone):
    clone, folder = undone
    clone.write("experiments/tiny", with_compute(device="cuda"))
    target = (folder / "checkpoint.safetensors").relative_to(clone.folder)
    done = clone.snakemake(str(target))
    assert done.returncode != 0
    assert "mac: compute.device: torch sees no GPU on this machine; found cuda" in done.stdout
    assert "Traceback" not in done.stdout
    assert re.search(r"Provided resources: gpu=\D*1\b", done.stdout)


def test_a_second_copy_of_a_job_waits_for_the_first_and_leaves_its_work_alone(undone, tmp_path):
    clone, folder = undone
    mark = folder.parent.name.removeprefix("model-")
    options = ["--experiment", "tiny", "--task", "pointmass-play", "--agent", "mac", "--seed", "0"]
    with alone(clone.folder / f"results/.resume/locks/train_model-{mark}-seed0"):
        copy = subprocess.Popen(
            [BIN / "mac", "train_model", *options, "--fingerprint", mark],
            cwd=clone.folder,
            env=clone.environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert "waiting for another process" in copy.stderr.readline()
        shutil.move(tmp_path / "made", folder)
        before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert copy.communicate(timeout=60)[1] == ""  # it has not trained: no line of progress
    assert copy.returncode == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
