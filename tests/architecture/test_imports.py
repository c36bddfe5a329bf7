"""Imports only go down the layers, and the layers without torch never import it."""

import ast
import subprocess
import sys

import pytest

from tests.architecture.source import Edge, edges, imports, modules

BASE = {"types", "errors", "rng", "io", "progress", "provenance", "stamps"}
# What each part of the package may import besides itself; the longest matching name counts.
ALLOWED = {
    "types": set(),
    "errors": set(),
    "rng": set(),
    "io": {"errors"},
    "progress": set(),
    "provenance": {"io"},
    "stamps": {"errors", "io"},
    "config": BASE,
    # Planning reads what agents declare; nothing below it does.
    "config.plan": BASE | {"agents", "envs.registry"},
    "envs": BASE,
    "data": BASE | {"envs"},
    "nets": BASE,
    "losses": BASE,
    "components": BASE | {"nets", "losses"},
    "agents": BASE | {"config", "components", "losses", "nets"},
    "training": BASE
    | {"config", "envs.registry", "data", "nets", "losses", "components", "agents"},
    "evaluation": BASE | {"config", "envs", "data", "components", "agents", "training"},
    "stats": BASE,
    "report": BASE | {"stats", "config"},
    "bench": BASE
    | {"config", "envs", "data", "nets", "losses", "components", "agents", "training"},
}
TOP = {"cli"}  # may import everything, and nothing imports it
TORCH_FREE = (
    "types",
    "errors",
    "rng",
    "io",
    "progress",
    "provenance",
    "stamps",
    "config",
    "envs",
    "data",
    "agents",
)
TORCH_FREE += ("stats", "report", "cli")
HEAVY = {  # what must not be imported, by the parts that are used before any work
    "config": {"torch", "ogbench", "pandas", "pyarrow", "scipy", "matplotlib"},
    "cli": {"torch", "ogbench", "pandas", "pyarrow", "scipy", "matplotlib"},
    "agents": {"torch", "ogbench", "pandas", "pyarrow", "scipy", "matplotlib"},
}


def part(module: str) -> str:
    """The longest name in ALLOWED or TOP that ``mac.<name>`` or its child is."""
    inner = module.removeprefix("mac").removeprefix(".")
    pieces = inner.split(".")
    for count in range(len(pieces), 0, -1):
        name = ".".join(pieces[:count])
        if name in ALLOWED or name in TOP:
            return name
    return inner


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
    family = source.split(".")[0]
    allowed = ALLOWED[source] | {source} | ({family} if source != family else set())
    # A part listed with its own row (config.plan) is above the rest of its family.
    above = part(edge.target) != family and part(edge.target).startswith(f"{family}.")
    if inside(target, allowed) and not (above and source == family):
        return None
    return f"{edge}: {source} may import {', '.join(sorted(allowed)) or 'nothing'}"


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
        ("mac.config.load", "from mac.config.plan import plan", True),
        ("mac.config.load", "from mac.agents.base import registry", True),
        ("mac.stats.intervals", "from mac.report import tables", True),
        ("mac.novel.thing", "from mac.io import atomic", True),
        ("mac.nets.mlp", "from mac.nets import dense\nimport torch", False),
        ("mac.config.plan", "from mac.agents.base import registry", False),
        ("mac.config.plan", "from mac.config.load import resolve", False),
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


@pytest.mark.parametrize("heavy", [False, True], ids=["torch", "all heavy packages"])
def test_torch_free_layers(heavy):
    parts = set(HEAVY) if heavy else set(TORCH_FREE)
    names = [name for name in modules() if inside(name.removeprefix("mac."), parts)]
    forbidden = set.intersection(*HEAVY.values()) if heavy else {"torch"}
    result = probe(forbidden, names)
    assert result.returncode == 0, result.stderr.strip().splitlines()[-1]


def test_the_probe_itself():
    result = probe({"decimal"}, ["mac.errors", "decimal"])
    assert result.returncode == 1
    assert "importing decimal brings decimal" in result.stderr
