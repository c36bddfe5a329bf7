"""What the repository's Python says, read with ast and without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"


@dataclass(frozen=True)
class Edge:
    """``module`` imports ``target`` on ``line``; ``eager`` where that happens at import time."""

    module: str
    target: str
    line: int
    eager: bool

    def __str__(self):
        return f"{self.module}:{self.line} imports {self.target}"


def modules() -> dict[str, Path]:
    """Files of the package by dotted name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def _is_type_checking(node: ast.AST) -> bool:
    if not isinstance(node, ast.If):
        return False
    test = node.test
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"


def imports(module: str, root: ast.Module, known: set[str]) -> Iterator[Edge]:
    """Edges of one module; imports for type checkers only are not edges.

    ``from a import b`` points to the module ``a.b`` where ``known`` has one, to ``a`` otherwise.
    """

    def visit(node: ast.AST, eager: bool) -> Iterator[Edge]:
        for child in ast.iter_child_nodes(node):
            if _is_type_checking(child):
                for other in child.orelse:
                    yield from visit(other, eager)
            elif isinstance(child, ast.Import):
                for alias in child.names:
                    yield Edge(module, alias.name, child.lineno, eager)
            elif isinstance(child, ast.ImportFrom):
                base = "." * child.level + (child.module or "")
                for alias in child.names:
                    full = f"{base}.{alias.name}"
                    yield Edge(module, full if full in known else base, child.lineno, eager)
            else:
                lazy = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from visit(child, eager and not lazy)

    yield from visit(root, True)


def edges() -> list[Edge]:
    """All edges of the package."""
    files = modules()
    return [edge for name, path in files.items() for edge in imports(name, tree(path), set(files))]


def dotted(node: ast.AST) -> str:
    """``a.b.c`` for a chain of attributes, the empty string for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""
