"""What differs between the configuration files of two versions, key by key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mac.io import parse_yaml
from mac.revisions import Tree

WORDS = {"title", "caption", "paper"}  # keys of an experiment's file that move no number


@dataclass(frozen=True)
class Changed:
    """A value that differs.

    Attributes:
        file: the configuration file.
        key: dotted.
        before: the earlier value as JSON; None where there is no such key.
        after: the later value.
    """

    file: str
    key: str
    before: str | None
    after: str | None


def changes(before: Tree, after: Tree, patterns: Sequence[str]) -> list[Changed]:
    """Values that differ in the YAML files which match ``patterns`` on either side.

    Comments and order are no difference, a file that only one side has differs in all its keys.

    Raises:
        ConfigError: naming the file that is not valid YAML.
    """
    files = sorted({path for tree in (before, after) for p in patterns for path in tree.glob(p)})
    found = []
    for file in files:
        one, other = (_values(tree, file) for tree in (before, after))
        for key in dict.fromkeys((*one, *other)):
            if one.get(key) != other.get(key) and key not in WORDS:
                found.append(Changed(file, key, one.get(key), other.get(key)))
    return found


def _values(tree: Tree, file: str) -> dict[str, str]:
    if not tree.glob(file):
        return {}
    content = parse_yaml(tree.read(file), f"{tree.name}:{file}")
    return {key: json.dumps(value, default=str) for key, value in _leaves(content)}


def _leaves(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Values by dotted key; an empty mapping is a value, an agent without settings for instance."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
