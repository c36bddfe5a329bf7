"""Two versions of an experiment's committed results, in folders or in a git repository."""

import dataclasses
import subprocess
from pathlib import Path

import numpy as np

from mac.io import write_yaml
from mac.revisions import Folder
from mac.rng import stream
from mac.stats.aggregate import aggregate
from mac.stats.committed import read_results
from tests.unit.stats.rows import episode_rows, make_run, model_error_rows, save

SPREAD = 0.08  # standard deviation of the seeds' true rates


def version(
    root,
    rates,
    *,
    name="table",
    mark="a",
    seeds=4,
    tasks=2,
    environment="scene",
    records=True,
    store="s1",
    data="raw",
    stage=None,
    mode="reward",
    checkpoint="last",
    columns=None,
    algorithm=None,
    **run,
):
    """Write results of one experiment below ``root``; ``rates`` maps label to its mean rate.

    ``mark`` names the version: other marks have other evaluations. ``stage`` is the fingerprint of
    a trained stage behind them.
    """
    runs, artefacts = [], {}
    kind = "singletask" if mode == "reward" else "oraclerep"
    for label, rate in rates.items():
        for seed in range(seeds):
            for number in range(1, tasks + 1):
                task = f"{environment}-play-{kind}-task{number}-v0"
                one = make_run(
                    label, task, seed, agent=algorithm, environment=environment, mode=mode, **run
                )
                path = f"results/stages/{task}/evaluate-{label}{mark}/seed{seed}/episodes.parquet"
                one = dataclasses.replace(one, path=path, fingerprint=f"{label}-{mark}-{number}")
                draws = stream(seed, "version", label, task, mark)
                true = rate if rate in (0, 1) else np.clip(rate + SPREAD * draws.normal(), 0, 1)
                save(root, one, episode_rows(one, float(true), draws, **(columns or {})))
                runs.append(one)
                folder = str(Path(path).parent)
                artefacts[folder] = one.fingerprint
                inputs = {"store": store} | ({"model": stage} if stage else {})
                if records:
                    write_yaml(root / folder / "run.yaml", record("evaluate", seed, mark, inputs))
    if records:
        folder = f"data/stores/{environment}-play-{store}"
        write_yaml(root / folder / "run.yaml", {"rule": "build", "data": data, "files": {}})
        artefacts[folder] = store
    aggregate(
        runs,
        root / "results" / name,
        experiment=name,
        fingerprint=f"0{mark}",
        checkpoint=checkpoint,
        artefacts=artefacts,
        root=root,
    )
    return root


def error_version(
    root, scales, *, mark="a", seeds=4, horizon=150, stage=None, data="raw", store="s1", **columns
):
    """Write an experiment of prediction errors; ``scales`` maps label to (chunk length, scale)."""
    runs, artefacts, task = [], {f"data/stores/scene-play-{store}": store}, "scene-play"
    write_yaml(
        root / f"data/stores/scene-play-{store}/run.yaml",
        {"rule": "build", "data": data, "files": {}},
    )
    for label, (length, scale) in scales.items():
        for seed in range(seeds):
            run = make_run(label, task, seed, environment="scene", evaluator="model_error")
            folder = f"results/stages/{task}/evaluate-{label}{mark}/seed{seed}"
            path = f"{folder}/model_error.parquet"
            run = dataclasses.replace(run, path=path, fingerprint=f"{label}-{mark}")
            draws = stream(seed, "error version", label, mark)
            own = scale * np.exp(0.1 * draws.normal())
            rows = model_error_rows(run, own, draws, horizon, length)
            save(root, run, rows.assign(**columns))
            runs.append(run)
            artefacts[folder] = run.fingerprint
            inputs = {"store": store} | ({"model": stage} if stage else {})
            write_yaml(root / folder / "run.yaml", record("evaluate", seed, mark, inputs))
    aggregate(
        runs,
        root / "results/errors",
        experiment="errors",
        fingerprint=f"1{mark}",
        artefacts=artefacts,
        root=root,
    )
    return root


def record(rule, seed, mark, inputs):
    return {
        "rule": rule,
        "revision": 1 if mark == "a" else 2,
        "seed": seed,
        "inputs": inputs,
        "files": {},
        "device": "cuda:0" if mark == "a" else "cpu",
        "wall_seconds": 900.0,
        "cpu_seconds": 1800.0,
        "packages": {"torch": "2.13.0" if mark == "a" else "2.14.0"},
        "git": {"commit": mark * 40, "dirty": mark != "a"},
    }


def results(folder, name="table"):
    return read_results(Folder(folder), name)


class Repository:
    """A git repository whose commits hold results and configuration, but no stages."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        (folder / ".gitignore").write_text("results/stages\ndata\n")
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments):
        settings = ("-c", "user.name=n", "-c", "user.email=n@localhost", "-c", "commit.gpgsign=no")
        command = ["git", *settings, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, tag, config=None, *rates, **arguments):
        for path, values in (config or {}).items():
            write_yaml(self.folder / "configs" / f"{path}.yaml", values)
        for one in rates:
            version(self.folder, one, **arguments)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", tag)
        self.git("tag", tag)
        return self.git("rev-parse", "HEAD")
