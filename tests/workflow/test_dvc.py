"""DVC beside the workflow: who tracks what, and that a clone with everything pulled is done."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mac.io import read_json, write_json

from .conftest import BIN, ROOT, Project

pytestmark = pytest.mark.xdist_group("workflow")  # the tests share one run

TASK = "pointmass-play-singletask-task1-v0"


def run(project: Project, *command: str) -> str:
    """Output of a command in the project's folder; it must succeed."""
    # DVC keeps notes on every repository it meets outside of it.
    notes = {"DVC_SITE_CACHE_DIR": str(project.folder.parent / "notes")}
    identity = {
        f"GIT_{who}_{what}": "a@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        command,
        cwd=project.folder,
        env={**project.environment(), **notes, **identity},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(project: Project, *arguments: str) -> str:
    return run(project, sys.executable, "-m", "dvc", *arguments)


def commit(project: Project, message: str) -> None:
    run(project, "git", "add", "-A")
    run(project, "git", "commit", "-qm", message)


def versioned(finished: Project, folder: Path, cache: str | None = None) -> Project:
    """The finished experiment in a repository of git and DVC, as this one is."""
    project = finished.clone(folder)
    for name in (".gitignore", ".dvcignore", ".dvc/.gitignore", ".dvc/config"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    run(project, BIN / "mac", "pipeline")
    run(project, "git", "init", "-q")
    link(project, cache)
    commit(project, "results")
    return project


def link(project: Project, cache: str | None) -> None:
    """Choose how DVC puts files of its cache into the folder; None is the repository's choice."""
    if cache:
        dvc(project, "config", "--local", "cache.type", cache)


def cached(project: Project) -> dict[int, Path]:
    """Files of DVC's cache by inode."""
    files = [p for p in (project.folder / ".dvc/cache/files/md5").rglob("*") if p.is_file()]
    return {path.stat().st_ino: path for path in files}


def artefacts(project: Project) -> list[Path]:
    folders = [*project.folder.glob("data/*/*"), *project.folder.glob("results/stages/*/*/*")]
    return [file for folder in folders if folder.is_dir() for file in folder.iterdir()]


@pytest.fixture(scope="module")
def origin(finished, tmp_path_factory) -> Project:
    return versioned(finished, tmp_path_factory.mktemp("dvc") / "origin")


def test_a_stage_is_the_workflows_target(origin):
    """DVC runs what Snakemake would, and the second time nothing."""
    (stamp,) = (origin.folder / "results/tiny/built").glob("render-*.json")
    stamp.unlink()
    assert origin.planned("tiny") == {"render": 1}
    out = dvc(origin, "repro", "tiny")
    assert stamp.exists() and "Updating lock file" in out
    (log,) = (origin.folder / "logs/tiny").glob("render-*.log")
    before = log.stat().st_mtime_ns
    dvc(origin, "repro", "tiny")
    assert log.stat().st_mtime_ns == before
    assert sorted((origin.folder / "logs").rglob("*.log")) == [log]  # no other job ran
    assert not dvc(origin, "data", "status", "--json").strip("{}\n ")


# The repository's choice is a reflink where the file system has them (--basetemp), else a copy.
@pytest.mark.parametrize("cache", [None, "hardlink"], ids=["default", "hardlink"])
def test_a_clone_with_everything_pulled_has_nothing_to_do(finished, tmp_path, cache):
    origin = versioned(finished, tmp_path / "origin", cache)
    run(origin, BIN / "mac", "publish", "tiny")
    assert not run(origin, "git", "ls-files", "--others", "--exclude-standard", "--modified")
    commit(origin, "publish")
    assert not run(origin, "git", "ls-files", "data/*.npz", "*.safetensors", "results/stages/*.csv")
    dvc(origin, "push")  # to the folder that the repository's configuration names
    assert (tmp_path / "mac-bench-dvc").is_dir()
    run(origin, "git", "clone", "-q", ".", str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    link(clone, cache)
    dvc(clone, "pull")
    here = {p.relative_to(clone.folder): p.read_bytes() for p in artefacts(clone)}
    assert here == {p.relative_to(finished.folder): p.read_bytes() for p in artefacts(finished)}
    assert not (clone.folder / ".snakemake").exists()
    assert clone.planned("tiny") == {}
    run(clone, BIN / "mac", "publish", "tiny")
    assert not run(clone, "git", "status", "--porcelain")  # published work never changes
    if cache is None:
        changes_plan_what_they_affect(clone)
    if cache == "hardlink":
        rewriting_leaves_the_cache_alone(clone)


def changes_plan_what_they_affect(clone: Project) -> None:
    config = clone.folder / "configs/agents/mac.yaml"
    for path in (config, clone.folder / "Snakefile", clone.folder / "workflow/rules/train.smk"):
        path.write_text(f"# a comment\n{path.read_text()}")
    (clone.folder / "README.md").write_text("Another text.\n")
    assert clone.planned("tiny") == {}
    content = yaml.safe_load(config.read_text())
    content["set"] = {**(content.get("set") or {}), "value.td_lambda": 0.5}
    config.write_text(yaml.safe_dump(content))
    expected = {"train_value": 2, "evaluate": 2, "aggregate": 1, "render": 1}
    assert clone.planned("tiny") == expected


def rewriting_leaves_the_cache_alone(clone: Project) -> None:
    """A file here may be the cache's own: who writes it anew must make another file."""
    owned = cached(clone)
    assert all(file.stat().st_ino in owned for file in artefacts(clone))
    again = ("data/*/*/run.yaml", "results/stages/*/model-*/*/run.yaml")
    for pattern in (*again, "results/stages/*/*/*/episodes.parquet"):
        for file in clone.folder.glob(pattern):  # without these work counts as undone
            file.unlink()
    data = ("--experiment", "tiny", "--task", "pointmass-play")
    agent = (*data, "--agent", "mac", "--seed", "0")
    run(clone, BIN / "mac", "data", "collect", *data)
    run(clone, BIN / "mac", "data", "build", *data)
    run(clone, BIN / "mac", "train-model", *agent)
    run(clone, BIN / "mac", "evaluate", *agent[:3], TASK, *agent[4:])
    written = [file for file in artefacts(clone) if file.stat().st_ino not in owned]
    names = {file.name for file in written}
    assert {"manifest.json", "train_observations.npy", "checkpoint.safetensors"} <= names
    assert {"metrics.csv", "episodes.parquet", "run.yaml"} <= names
    assert len([name for name in names if name.endswith((".npy", ".npz"))]) == 2 * 9 + 2
    for path in cached(clone).values():
        content = path.read_bytes()
        if path.suffix != ".dir":
            assert hashlib.md5(content).hexdigest() == path.parent.name + path.name


def test_unfinished_and_fetched_work_stays_out(finished, tmp_path):
    origin = versioned(finished, tmp_path / "origin")
    (record, *_) = (origin.folder / "results/stages/pointmass-play").glob("model-*/seed1/run.yaml")
    record.unlink()
    said = run(origin, BIN / "mac", "publish", "tiny")
    folder = record.parents[1]
    assert f"left out: {folder.relative_to(origin.folder)} (unfinished work in seed1)" in said
    assert not folder.with_name(f"{folder.name}.dvc").exists()
    assert len(list(folder.parent.glob("*.dvc"))) == 1  # the behaviour's
    (origin.folder / ".snakemake/locks").mkdir(parents=True)
    (origin.folder / ".snakemake/locks/0.input.lock").touch()
    done = subprocess.run(
        [BIN / "mac", "publish", "tiny"],
        cwd=origin.folder,
        env=origin.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert (
        "Snakemake is at work in this folder" in done.stderr and len(done.stderr.split("\n")) == 2
    )


def test_a_clone_of_this_repository_says_which_numbers_a_commit_changed(tmp_path):
    """`dvc metrics diff` and `dvc plots diff` on the committed results and their real history."""
    clone = Project(tmp_path / "clone")
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone.folder)], check=True)
    summary, scores = (clone.folder / "results/quick" / n for n in ("summary.json", "scores.csv"))
    content = read_json(summary)
    before = content["agents"]["mac"]["overall"]["mean"]
    content["agents"]["mac"]["overall"]["mean"] = before + 0.25
    write_json(summary, content)
    header, first, *rest = scores.read_text().splitlines()
    cells = dict(zip(header.split(","), first.split(","), strict=True))
    cells["success_rate"] = "0.123456"
    scores.write_text("\n".join([header, ",".join(cells.values()), *rest]) + "\n")
    commit(clone, "other results")
    diff = json.loads(dvc(clone, "metrics", "diff", "--json", "HEAD~1"))
    mean = {"old": before, "new": before + 0.25, "diff": pytest.approx(0.25)}
    assert diff == {"results/quick/summary.json": {"agents.mac.overall.mean": mean}}
    dvc(clone, "plots", "diff", "HEAD~1", "-o", "plots")
    page = (clone.folder / "plots/index.html").read_text()
    (plot,) = (part for part in page.split("<div") if '"0.123456"' in part)
    assert "results/quick/scores.csv" in plot and f'"{first.split(",")[6]}"' in plot
    assert '"rev": "HEAD~1"' in plot and '"rev": "workspace"' in plot
    images = {path.name for path in (clone.folder / "plots/static").iterdir()}
    assert {
        f"{side}_results_quick_figures_curves.png" for side in ("HEAD~1", "workspace")
    } <= images
