"""Single jobs of the workflow: what they occupy, and that no two copies work at once."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml

from mac.gpus import visible
from mac.locks import alone
from mac.stopping import UNFINISHED

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


def test_a_run_time_limit_reaches_the_jobs_and_an_attempt_goes_on_from_the_last(undone, tmp_path):
    clone, folder = undone
    target = str((folder / "checkpoint.safetensors").relative_to(clone.folder))
    assert "mac  train_model" in clone.snakemake("-n", "-p", target).stdout
    limited = clone.snakemake("-n", "-p", target, "--default-resources", "runtime=7").stdout
    assert "mac --minutes 7 train_model" in limited

    mark = folder.parent.name.removeprefix("model-")
    names = ["--experiment", "tiny", "--task", "pointmass-play", "--agent", "mac", "--seed", "0"]
    codes = []
    for limit in (["--minutes", "0.0001"], []):
        command = [BIN / "mac", *limit, "train_model", *names, "--fingerprint", mark]
        done = subprocess.run(command, cwd=clone.folder, env=clone.environment(), check=False)
        codes.append(done.returncode)
    assert codes == [UNFINISHED, 0]
    record = yaml.safe_load((folder / "run.yaml").read_text())
    assert record["attempts"] == 2
    for name in ("checkpoint.safetensors", "metrics.csv"):
        assert (folder / name).read_bytes() == (tmp_path / "made" / name).read_bytes()


def test_on_a_cluster_seeds_share_submissions_and_finished_outputs_are_kept(tmp_path):
    project = Project.create(tmp_path / "fresh")
    requests = "workflow/profiles/slurm/resources.yaml"
    text = project.snakemake("-n", "-p", "tiny", "--config", f"cluster={requests}").stdout
    parts = re.split(r"Group job (\w+)-[0-9a-f]{12}-0 .*", text.split("rule aggregate:")[0])
    groups = list(zip(parts[1::2], parts[2::2], strict=True))
    assert sorted((name, block.count("    rule ")) for name, block in groups) == [
        ("evaluate", 4),
        ("train_behaviour", 2),
        ("train_heads", 2),
        ("train_model", 2),
        ("train_value", 2),
    ]
    for _, block in groups:
        for job in block.split("    rule ")[1:]:
            assert re.search(r"runtime=1[5-9], |runtime=1[5-9]$", job, re.M), job
            assert "--minutes 1" in job and "(update)" in job and "gpu=" not in job
            assert ("--gpus-per-task=1" in job) == job.startswith("train_")


def test_a_site_s_mistake_is_one_line(tmp_path):
    project = Project.create(tmp_path / "fresh")
    (project.folder / "site.yaml").write_text("limits: 3")
    done = project.snakemake("-n", "tiny", "--config", "cluster=site.yaml")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "mac: site.yaml: " in done.stdout


def test_an_experiment_that_is_not_there_is_one_line(tmp_path):
    project = Project.create(tmp_path / "fresh")
    done = project.snakemake("-n", "--quiet", "host", "--", "tinny")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert done.stdout.endswith("mac: tinny: no experiment of this name; expected tiny\n")


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
    said = copy.communicate(timeout=60)[1]  # it has not trained: no line of progress
    assert said.endswith("checkpoint.safetensors: done before\n") and said.count("\n") == 1
    assert copy.returncode == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
