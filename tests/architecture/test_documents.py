"""Examples in the documentation work as they stand."""

import ast
import re
from functools import cache

import pytest
import yaml

from mac.envs.registry import EnvSpec
from mac.planning.estimate import estimate
from mac.planning.plan import Plan
from mac.rows import EPISODES
from mac.stats.scores import SCORES
from tests.architecture.source import ROOT

HOW_TO, README = ROOT / "docs/how-to", ROOT / "README.md"


def blocks(path, language):
    """Code blocks of a document in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.M | re.S)


def bare(node):
    """Code without docstrings and annotations, in one form."""
    for child in ast.walk(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(child):
            child.body = child.body[1:]
        if isinstance(child, ast.FunctionDef):
            child.returns = None
        if isinstance(child, ast.arg):
            child.annotation = None
    return ast.unparse(node)


def test_example_experiment_can_be_planned_and_takes_minutes(tmp_path, monkeypatch):
    (example,) = blocks(HOW_TO / "add-an-experiment.md", "yaml")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/example.yaml").write_text(example)
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MAC_CONFIG_PATH", str(tmp_path))
    plan = Plan(["example"])
    count = {rule: sum(job.rule == rule for job in plan) for rule in ("train_model", "train_value")}
    assert count["train_model"] == 2  # shared by both agents and both tasks, one a seed
    assert count["train_value"] == 8
    told = estimate(plan, ["example"])
    assert told["hours"]["cpu"] < 0.5


def test_example_environment_is_a_line():
    (example,) = blocks(HOW_TO / "add-an-environment.md", "yaml")
    ((name, line),) = yaml.safe_load(example)["environments"].items()
    spec = EnvSpec.from_line(name, line)
    assert spec.env_id == "cube-triple-v0"
    page = (HOW_TO / "add-an-environment.md").read_text()
    for key in {*line, "simulator"}:
        assert f"`{key}`" in page


def test_walk_through_quotes_the_real_files():
    page = HOW_TO / "add-an-agent.md"
    code = (ROOT / "src/mac/agents/mac_gau.py").read_text()
    assert code in blocks(page, "python"), "docs/how-to/add-an-agent.md: mac_gau.py has changed"
    text = (ROOT / "configs/agents/mac_gau.yaml").read_text()
    assert text in blocks(page, "yaml"), "docs/how-to/add-an-agent.md: mac_gau.yaml has changed"
    (quoted,) = (block for block in blocks(page, "python") if "class Gaussian" in block)
    component = ast.parse((ROOT / "src/mac/components/behaviour.py").read_text())
    (real,) = (node for node in component.body if getattr(node, "name", "") == "Gaussian")
    assert bare(real) == bare(ast.parse(quoted).body[0])


@pytest.mark.parametrize("columns", [EPISODES.names, SCORES])
def test_results_page_names_every_column(columns):
    page = (ROOT / "results/README.md").read_text()
    missing = [column for column in columns if f"`{column}`" not in page]
    assert not missing


def test_readme_lists_every_experiment_and_agent():
    readme = (ROOT / "README.md").read_text()
    for kind, form in {"experiments": "`{}`", "agents": "(docs/agents/{}.md)"}.items():
        for path in (ROOT / "configs" / kind).glob("*.yaml"):
            if path.stem != "smoke":
                assert form.format(path.stem) in readme, f"README.md: {path.stem}"


def test_readme_shows_the_committed_quick_table():
    shown = re.search(r"<!-- quick:begin.*?-->\n(.*?)<!-- quick:end", README.read_text(), re.S)[1]
    table = (ROOT / "results/quick/table.md").read_text()
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    compared = table.partition("\n## Estimates")[0]
    assert rows == [line for line in compared.splitlines() if line.startswith("|")]
    assert shown.partition("\n\n")[0] in table


@cache
def plan(experiment):
    return Plan((experiment,))


PAGES = pytest.mark.parametrize(
    "page", sorted((ROOT / "docs/agents").glob("*.md")), ids=lambda p: p.stem
)


@PAGES
def test_an_agents_page_says_what_it_computes_logs_and_does_otherwise(page):
    sections = re.split(r"^## (.+)\n", page.read_text(), flags=re.M)
    text = dict(zip(sections[1::2], sections[2::2], strict=True))
    for wanted in ("Equations", "Metrics", "Deviations", "Command"):
        assert text.get(wanted, "").strip(), f"{page.name}: no section {wanted}"
    assert re.search(r"^\|.*\|.*code \|$", text["Equations"], re.M), f"{page.name}: no code named"


COMMAND = re.compile(
    r"^mac (\S+) --experiment (\S+) --task (\S+) --agent (\S+) --seed (\d+)$", re.M
)


@PAGES
def test_commands_of_an_agents_page_name_jobs(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    commands = COMMAND.findall(page.read_text().partition("\n## Command\n")[2])
    assert commands, f"{page.name} has no command"
    for verb, experiment, task, label, seed in commands:
        rule = verb.replace("-", "_")
        job = plan(experiment).find(rule, task=task, label=label, seed=int(seed))
        assert page.stem in (job.agent, label)
