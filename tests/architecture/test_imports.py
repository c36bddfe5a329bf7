"""Imports only go down the layers, and the layers without torch never import it."""

import ast
import subprocess
import sys

import pytest

from tests.architecture.source import Edge, edges, imports, modules

BASE = {
    *("types", "errors", "rng", "io", "progress", "seals", "provenance"),
    *("revisions", "stamps", "rows", "locks", "gpus", "failures", "stopping", "verified"),
}
# What each part of the package may import besides itself.
ALLOWED = {
    "types": set(),
    "errors": set(),
    "rng": set(),
    "io": {"errors"},
    "progress": set(),
    "seals": {"errors", "io"},
    "provenance": {"errors", "io", "seals", "verified"},
    "verified": {"errors", "io"},
    "revisions": {"errors"},
    "stamps": {"errors", "io", "seals"},
    "rows": {"io"},
    "locks": {"errors"},
    "gpus": {"locks"},
    "failures": {"errors", "io", "seals"},
    "stopping": set(),
    "config": BASE,
    "envs": BASE,
    "data": BASE | {"envs"},
    "nets": BASE,
    "losses": BASE,
    "components": BASE | {"nets", "losses"},
    "agents": BASE | {"config", "components", "losses", "nets"},
    # Planning reads what agents declare and what is known of environments, and runs nothing.
    "planning": BASE | {"config", "agents", "envs.registry"},
    "training": BASE
    | {"config", "envs.registry", "data", "nets", "losses", "components", "agents"},
    "evaluation": BASE | {"config", "envs", "data", "components", "agents", "training"},
    "stats": BASE,
    "report": BASE | {"stats", "config"},
    "bench": BASE
    | {"config", "envs", "data", "nets", "losses", "components", "agents", "training"}
    | {"planning.work"},
}
TOP = {"cli"}  # may import everything, and nothing imports it
TORCH_FREE = {*BASE, "config", "envs", "data", "agents", "planning", "stats", "report", "cli"}
# Used by `mac plan` and at every start of the workflow, so they must also start fast.
LIGHT = {"config", "agents", "planning", "cli"}
HEAVY = {"torch", "ogbench", "pandas", "pyarrow", "scipy", "matplotlib"}


def part(module: str) -> str:
    """The part of the package that a module belongs to; empty for the package itself."""
    return module.removeprefix("mac").removeprefix(".").split(".")[0]


def inside(name: str, parts: set[str]) -> bool:
    return any(name == other or name.startswith(f"{other}.") for other in parts)


def offending(edge: Edge) -> str | None:
    """Why an edge is not allowed, or None."""
    if edge.target.startswith("."):
        return f"{edge}: write the import absolutely"
    if edge.target != "mac" and not edge.target.startswith("mac."):
        return None
    source, target = part(edge.module), edge.target.removeprefix("mac").removeprefix(".")
    if source in TOP or source == "" or target == "":
        return None
    if source not in ALLOWED:
        return f"{edge}: {source} is in no layer of tests/architecture/test_imports.py"
    allowed = ALLOWED[source] | {source}
    if inside(target, allowed):
        return None
    return f"{edge}: {source} may import {', '.join(sorted(allowed))}"


def test_imports_go_down():
    wrong = [reason for edge in edges() if (reason := offending(edge))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("module", "code", "fails"),
    [
        ("mac.nets.mlp", "from mac.losses import returns", True),
        ("mac.nets.mlp", "def f():\n    import mac.training.run", True),
        ("mac.nets.mlp", "from mac import components", True),
        ("mac.nets.mlp", "from .dense import Dense", True),
        ("mac.nets.mlp", "from mac.cli import main", True),
        ("mac.config.load", "from mac.planning.plan import Plan", True),
        ("mac.config.load", "from mac.agents.base import registry", True),
        ("mac.stats.intervals", "from mac.report import tables", True),
        ("mac.novel.thing", "from mac.io import atomic", True),
        ("mac.nets.mlp", "from mac.nets import dense\nimport torch", False),
        ("mac.planning.plan", "from mac.agents.base import registry", False),
        ("mac.planning.plan", "from mac.envs.registry import EnvSpec", False),
        ("mac.planning.plan", "from mac.envs.vector import Episodes", True),
        ("mac.agents.mac", "if TYPE_CHECKING:\n    from mac.training import run", False),
        ("mac.evaluation.run", "from mac import __version__", False),
        ("mac.cli", "from mac.report import tables", False),
    ],
)
def test_the_check_itself(module, code, fails):
    known = {*modules(), "mac.components"}
    found = [offending(edge) for edge in imports(module, ast.parse(code), known)]
    assert any(found) == fails


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """Modules of one import cycle, in order, or an empty list."""
    state: dict[str, int] = {}
    trail: list[str] = []

    def visit(node: str) -> list[str]:
        state[node] = 1
        trail.append(node)
        for other in sorted(graph.get(node, ())):
            if state.get(other) == 1:
                return [*trail[trail.index(other) :], other]
            if other not in state and (found := visit(other)):
                return found
        trail.pop()
        state[node] = 2
        return []

    for node in sorted(graph):
        if node not in state and (found := visit(node)):
            return found
    return []


def test_no_cycles():
    known = modules()
    graph: dict[str, set[str]] = {}
    for edge in edges():
        if edge.eager and edge.target in known and edge.target != edge.module:
            graph.setdefault(edge.module, set()).add(edge.target)
    found = cycle(graph)
    assert not found, " -> ".join(found)
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_no_star_imports_and_no_module_without_an_idea():
    for name, path in modules().items():
        assert path.stem not in {"utils", "helpers", "misc"}, f"{name}: name the idea"
        assert "import *" not in path.read_text(), f"{name}: star import"


# Imports the modules named on the command line one by one and names the first that brings a
# forbidden package; `agents` are found by the registry, as planning does.
PROBE = """
import importlib, sys
forbidden = set(sys.argv[1].split(","))
for name in sys.argv[2:]:
    importlib.import_module(name)
    if name == "mac.agents.base":
        sys.modules[name].registry()
    loaded = forbidden & set(sys.modules)
    if loaded:
        sys.exit(f"importing {name} brings {', '.join(sorted(loaded))}")
"""


def probe(forbidden, names):
    command = [sys.executable, "-c", PROBE, ",".join(sorted(forbidden)), *names]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("parts", "forbidden"),
    [(TORCH_FREE, {"torch"}), (LIGHT, HEAVY)],
    ids=["without torch", "light"],
)
def test_what_importing_a_layer_brings(parts, forbidden):
    names = [name for name in modules() if inside(name.removeprefix("mac."), parts)]
    result = probe(forbidden, names)
    assert result.returncode == 0, result.stderr.strip().splitlines()[-1]


def test_the_probe_itself():
    result = probe({"decimal"}, ["mac.errors", "decimal"])
    assert result.returncode == 1
    assert "importing decimal brings decimal" in result.stderr
