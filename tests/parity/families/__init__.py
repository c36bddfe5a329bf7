"""How each agent's cases are compared: a file here for each family of agents that are alike.

To add one, write ``families/NAME.py``; nothing else changes, for files are found by themselves and
``cases.AGENTS`` tells which file of numbers tests which agent (one line there for a new beginning).
In it a subclass of ``Family``, registered for its agents, declares in this order: the original's
``modules`` as (part, submodule) of ours; its ``options`` as keys of ours, with ``fixed``, ``idle``
and ``only``; the ``fields`` of the batch and the ``draws`` of the noise; the ``names`` of losses.
``forward`` adds to ``self.losses`` every further quantity under ``out/``, and ``acting`` those of
the acting tests: what a file of the repository holds and neither gives is an error. Where tables do
not suffice, override ``config``, ``batch``, ``noise``, ``readings``, ``differentiate`` (a group of
``gradients``), ``advance`` (an update) or ``prepare`` (the agent); ``base.py`` says what each is
given. Example: ``mac.py``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from .base import Family

_FAMILIES: dict[str, Family] = {}


def register(*agents: str) -> Callable[[type[Family]], type[Family]]:
    """Class decorator: a family compares the cases of these agents."""

    def add(family: type[Family]) -> type[Family]:
        for agent in agents:
            assert agent not in _FAMILIES, f"two families compare {agent}"
            _FAMILIES[agent] = family()
        return family

    return add


@cache
def families() -> Mapping[str, Family]:
    """Families by the agents whose cases they compare."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return MappingProxyType(_FAMILIES)
