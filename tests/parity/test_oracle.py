"""The oracle agrees with the original on every case of it, so that it may make further ones."""

from __future__ import annotations

import pytest

from . import oracle
from .altered import check_agreement

NAMES = [f"{agent}_{mode}" for agent in oracle.AGENTS[:-1] for mode in ("gc", "reward")]


@pytest.mark.parametrize("name", [*NAMES, "model_ac"])
def test_agrees_with_the_original(name):
    check_agreement(oracle.evaluate, name)
