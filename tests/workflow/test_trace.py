"""The chain behind a printed number, whole and with each of its links broken."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
import yaml

from mac.errors import MacError
from mac.io import read_json, sha256_file, write_json
from mac.seals import KEY, sealed
from mac.stats.trace import ABSENT, BROKEN, OK, trace, traceable

from .conftest import BIN

pytestmark = pytest.mark.xdist_group("workflow")  # the tests share one run

TASK = "pointmass-play-singletask-task1-v0"
STAGES = "results/stages"


def one(folder, pattern):
    (path,) = folder.glob(pattern)
    return path


def spoil(path):
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path, change):
    """Change a JSON or YAML file's content, and its seal where it has one."""
    content = read_json(path) if path.suffix == ".json" else yaml.safe_load(path.read_text())
    had_seal = content.pop(KEY, None) is not None
    change(content)
    content = sealed(content) if had_seal else content
    if path.suffix == ".json":
        write_json(path, content)
    else:
        path.write_text(yaml.safe_dump(content))


def forge(folder, name, change):
    """Change a committed file, and what vouches for it, as one who wants to deceive would."""
    results = folder / "results/tiny"
    edit(results / name, change)
    stamp = one(results, "built/aggregate-*.json")
    edit(stamp, lambda content: content["files"].update({name: sha256_file(results / name)}))
    record = stamp.with_suffix(".run.yaml")
    edit(record, lambda content: content["files"].update({stamp.name: sha256_file(stamp)}))


def trained(folder, stage, name, task=TASK):
    mark = next(  # flow_bc has its own evaluation but shares the stages of mac
        path.parents[1].name
        for path in sorted((folder / STAGES / task).glob(f"{stage}-*/seed0/run.yaml"))
        if yaml.safe_load(path.read_text())["agent"] == "mac"
    )
    return folder / STAGES / task / mark / "seed0" / name


def entry(runs, rule, seed=0):
    return next(run for run in runs.values() if run["rule"] == rule and run.get("seed") == seed)


def forget_model(runs):
    for folder in [f for f, run in runs.items() if run["rule"] == "train_model"]:
        del runs[folder]


def unsealed_edit(path):
    """Change a stamp and not its seal."""
    content = read_json(path)
    content["evaluations"].popitem()
    write_json(path, content)


def unknown_commit(runs):
    entry(runs, "train_value")["git"] = {"commit": "0" * 40, "dirty": False}


BREAKS = {
    "a table edited by hand": (
        lambda f: spoil(f / "results/tiny/table.md"),
        {"render"},
        "table.md: file differs from its stamp",
    ),
    "scores edited by hand": (
        lambda f: spoil(f / "results/tiny/scores.csv"),
        {"aggregate"},
        "scores.csv: file differs from its stamp",
    ),
    "no stamp": (
        lambda f: one(f, "results/tiny/built/render-*.json").unlink(),
        {"render"},
        "0 stamps instead of one",
    ),
    "a stamp edited by hand": (
        lambda f: edit(
            one(f, "results/tiny/built/render-*.json"),
            lambda stamp: stamp["evaluations"].popitem(),
        ),
        {"render", "render record"},
        "other rows",
    ),
    "an edit that leaves the seal": (
        lambda f: unsealed_edit(one(f, "results/tiny/built/render-*.json")),
        {"render", "render record"},
        "digest: damaged or changed",
    ),
    "a damaged stamp of the rows": (
        lambda f: one(f, "results/tiny/built/aggregate-*.json").write_text('{"rule'),
        {"aggregate", "aggregate record", "seed 0 rows", "seed 1 rows"},
        "not valid JSON",
    ),
    "lost rows": (
        lambda f: (f / "results/tiny/episodes.parquet").unlink(),
        {"aggregate", "number"},
        "episodes.parquet: file of a stamp is missing",
    ),
    "damaged rows": (
        lambda f: (f / "results/tiny/episodes.parquet").write_bytes(b"PAR1"),
        {"aggregate", "number"},
        "not a readable parquet file",
    ),
    "damaged facts of the runs": (
        lambda f: (f / "results/tiny/runs.json").write_text("{"),
        {"aggregate", "runs", "record"},
        "runs.json: not valid JSON",
    ),
    "a better number": (
        lambda f: forge(
            f,
            "summary.json",
            lambda s: s["agents"]["mac"]["tasks"][TASK].update(mean=0.987),
        ),
        {"number"},
        "summary.json 0.987",
    ),
    "other episodes": (
        lambda f: spoil(trained(f, "evaluate", "episodes.parquet")),
        {"seed 0 rows", "seed 0 evaluate"},
        "not the file that the rows were taken from",
    ),
    "other weights": (
        lambda f: spoil(trained(f, "value", "checkpoint.safetensors")),
        {"seed 0 train_value"},
        "checkpoint.safetensors has SHA-256",
    ),
    "a checkpoint lost": (
        lambda f: trained(f, "value", "step20.safetensors").unlink(),
        {"seed 0 train_value"},
        "step20.safetensors is missing",
    ),
    "a record lost": (
        lambda f: trained(f, "heads", "run.yaml").unlink(),
        {"seed 0 train_heads"},
        "run.yaml is missing",
    ),
    "weights of another fingerprint": (
        lambda f: edit(
            trained(f, "model", "run.yaml", "pointmass-play"),
            lambda record: record.update(fingerprint="0" * 12),
        ),
        {"seed 0 train_model"},
        "disagree on fingerprint",
    ),
    "trained on other weights": (
        lambda f: edit(
            trained(f, "value", "run.yaml"),
            lambda record: record["read"].update(dict.fromkeys(record["read"], "0" * 64)),
        ),
        {"seed 0 train_value"},
        "it read another",
    ),
    "a store that changed": (
        lambda f: spoil(one(f, "data/stores/*/train_actions.npy")),
        {"build"},
        "train_actions.npy has SHA-256",
    ),
    "raw data that changed": (
        lambda f: spoil(one(f, "data/raw/*/pointmass-play-v0.npz")),
        {"collect"},
        "pointmass-play-v0.npz has SHA-256",
    ),
    "built from other raw data": (
        lambda f: forge(
            f,
            "runs.json",
            lambda runs: entry(runs, "collect", None)["files"].update(
                {"pointmass-play-v0-val.npz": "0" * 64}
            ),
        ),
        {"build", "collect"},
        "pointmass-play-v0-val.npz",
    ),
    "a stage that nobody recorded": (
        lambda f: forge(f, "runs.json", forget_model),
        {"seed 0 train_value", "seed 1 train_value"},
        "nothing is committed of its model",
    ),
    "a commit that is gone": (
        lambda f: forge(f, "runs.json", unknown_commit),
        {"seed 0 train_value"},
        f"commit {'0' * 40} is not in this repository",
    ),
}


@pytest.fixture
def clone(finished, tmp_path):
    return finished.clone(tmp_path / "clone").folder


def test_the_whole_chain_holds(clone):
    links = trace("tiny", TASK, "mac", clone)
    assert {link.state for link in links} == {OK}
    names = [link.name for link in links]
    stages = ("rows", "evaluate", "train_behaviour", "train_heads", "train_model", "train_value")
    for seed in (0, 1):
        assert {name for name in names if f"seed {seed}" in name} == {
            f"seed {seed} {stage}" for stage in stages
        }
    assert names[-2:] == ["build", "collect"]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", BREAKS)
def test_a_broken_link_is_named(clone, kind):
    damage, names, message = BREAKS[kind]
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], cwd=clone, check=True)
    subprocess.run([*git, "commit", "-qm", "a", "--allow-empty"], cwd=clone, check=True)
    damage(clone)
    broken = [link for link in trace("tiny", "task1", "mac", clone) if link.state == BROKEN]
    assert {link.name for link in broken} == names
    assert any(message in link.detail for link in broken), broken


def test_a_clone_with_nothing_pulled_checks_what_is_committed(finished, tmp_path):
    clone = finished.clone(tmp_path / "clone")
    for folder in (*clone.folder.glob(f"{STAGES}/*"), *clone.folder.glob("data/*")):
        folder.rename(tmp_path / f"away-{folder.name}")
    links = trace("tiny", TASK, "mac", clone.folder)
    here = {link.name for link in links if link.state == OK}
    assert here == {"render", "render record", "aggregate", "aggregate record", "number"}
    assert {link.state for link in links if link.name not in here} == {ABSENT}
    assert len(links) == len(here) + 2 * 6 + 2
    command = [BIN / "mac", "trace", "tiny", TASK, "mac"]
    done = subprocess.run(command, cwd=clone.folder, env=clone.environment(), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"5 links verified, 14 not here, 0 broken\nfolders not in DVC: 12; `rm" in done.stdout
    one(clone.folder, "results/tiny/built/render-*.json").write_text("{")
    done = subprocess.run(command, cwd=clone.folder, env=clone.environment(), capture_output=True)
    assert done.returncode == 2
    assert done.stderr == b"mac: tiny: broken: render, render record\n"
    assert b"3 links verified, 14 not here, 2 broken\n" in done.stdout


def test_names_are_those_of_the_table(clone):
    whole = trace("tiny", TASK, "mac", clone)
    assert trace("tiny", "pointmass, task 1", "MAC", clone) == whole
    assert trace("tiny", "task 1", "ma", clone) == whole


def test_what_can_be_traced_is_listed_with_its_command(clone):
    lines = traceable("tiny", root=clone)
    assert lines == [f"mac trace tiny 'pointmass, task 1' {a}" for a in ("flow_bc", "mac")]
    for line in lines:
        assert trace(*shlex.split(line)[2:], clone)[-1].state == OK
    assert traceable("tiny", "task1", clone) == lines
    done = subprocess.run([BIN / "mac", "trace", "tiny"], cwd=clone, capture_output=True, text=True)
    assert done.stdout.splitlines() == lines


def test_tracing_loads_no_statistics_that_it_does_not_use():
    code = "import sys, mac.stats.trace; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_names_are_told_the_known_ones(clone):
    for arguments, expected in (
        (("tiny", "task9", "mac"), "no such task; expected pointmass, task 1"),
        (("tiny", TASK, "iql"), "no such agent; expected flow_bc; mac"),
        (("other", TASK, "mac"), "no such file"),
    ):
        with pytest.raises(MacError, match=expected):
            trace(*arguments, clone)
