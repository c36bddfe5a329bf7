"""What the repository promises about itself: no trace of one machine, every agent documented."""

import configparser
import re
import subprocess
from contextlib import suppress

import pytest

from mac.agents.base import registry
from mac.io import read_yaml
from mac.planning.agent_file import read_agent
from mac.planning.experiment import available
from mac.planning.files import datasets, find, tuning_of
from mac.planning.pipeline import pipeline
from tests.architecture.source import ROOT

# A path below one of the folders that differ between machines, or the host of a package registry.
MACHINE = re.compile(
    r"(?<![\w.~/-])/(?:work|opt|root|home|mnt|scratch)/\w+"
    r"|file:///|\bpypi\.\w|pythonhosted|download\.pytorch|conda\.anaconda|registry\.npmjs"
)


def tracked():
    """Text files under version control, or what looks like them in an unpacked archive."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode == 0:
        return [ROOT / name for name in listing.stdout.split("\0") if name]
    hidden = {".venv", ".git", "__pycache__", "data", "logs", "benchmarks"}
    return [p for p in ROOT.rglob("*") if p.is_file() and not hidden & set(p.parts)]


def texts():
    for path in tracked():
        if not path.is_file() or path.is_symlink():
            continue  # deleted and not yet committed, or read under its own name
        with suppress(UnicodeDecodeError):  # binary
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def test_no_machine_paths_and_no_registry_hosts():
    wrong = []
    for name, text in texts():
        if name == "tests/architecture/test_repository.py":
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if found := MACHINE.search(line):
                wrong.append(f"{name}:{number}: {found.group()}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "fails"),
    [
        ("open('/home/me/data')", True),
        ("cd /opt/wheels", True),
        ("--find-links file:///x", True),
        ("https://pypi.org/simple", True),
        ("results/work/home/x", False),
        ("~/.ogbench/data", False),
        ("https://example.org/home/page", False),
        ("a/opt/b", False),
    ],
)
def test_the_pattern_itself(line, fails):
    assert bool(MACHINE.search(line)) == fails


def test_constraints_are_exact_and_free_of_places():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    exact = re.compile(r"[a-z0-9][a-z0-9-]*==[0-9][0-9a-z.]*( ; .+)?")
    wrong = [line for line in lines if not exact.fullmatch(line)]
    assert not wrong, wrong  # a local version (+cpu), a path or a URL would not match
    assert "torch==2.13.0" in lines


def test_every_agent_has_its_yaml_and_its_page():
    agents = set(registry())
    files = {path.stem for path in (ROOT / "configs/agents").glob("*.yaml")}
    pages = {path.stem for path in (ROOT / "docs/agents").glob("*.md")} - {"README"}
    assert files == agents, f"configs/agents: missing or without an agent: {sorted(files ^ agents)}"
    assert pages == agents, f"docs/agents: missing or without an agent: {sorted(pages ^ agents)}"


def test_every_agent_tells_how_its_settings_were_found():
    """For every data set of the shipped suites in the modes that it knows."""
    for agent in registry().values():
        found = read_agent(agent)
        path = find("agents", agent.name)
        for dataset in datasets(agent.modes):
            assert tuning_of(found.tuning, dataset, path, "tuning"), (path, dataset)


def test_committed_results_belong_to_an_experiment():
    experiments = {path.stem for path in (ROOT / "configs/experiments").glob("*.yaml")}
    names = [p.relative_to(ROOT).as_posix() for p in tracked()]
    shared = re.compile(r"results/stages/[^/]+/[^/]+-[0-9a-f]{12}\.dvc")  # in git; stages are not
    folders = {
        name.split("/")[1]
        for name in names
        if name.startswith("results/") and name.count("/") >= 2 and not shared.fullmatch(name)
    }
    folders -= {
        "torture",
        "slurm",
        "gpu",
    }  # what `make torture`, `slurm-test` and `gpu-check` found
    assert folders <= experiments, f"results without an experiment: {folders - experiments}"


def test_dvc_knows_every_experiment(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = (ROOT / "dvc.yaml").read_text()
    assert found == pipeline(available()), "dvc.yaml: run `mac pipeline` and commit it"


def test_dvc_keeps_to_itself_and_links_safely():
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc/config")
    assert config["core"]["analytics"] == config["core"]["check_update"] == "false"
    assert "symlink" not in config["cache"]["type"]


def test_experiments_of_all_exist():
    listed = read_yaml(ROOT / "configs/config.yaml")["experiments"]
    missing = [name for name in listed if not (ROOT / f"configs/experiments/{name}.yaml").is_file()]
    assert listed and not missing, missing


LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_links_between_documents_lead_somewhere():
    wrong = []
    for name, text in texts():
        if not name.endswith(".md"):
            continue
        for target in LINK.findall(text):
            if "://" in target or target.startswith("mailto:"):
                continue
            if not ((ROOT / name).parent / target).exists():
                wrong.append(f"{name}: {target}")
    assert not wrong, "\n".join(wrong)
