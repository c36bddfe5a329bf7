"""GCIQL: implicit Q-learning with goals."""

from __future__ import annotations

from dataclasses import replace

from mac.agents.base import register
from mac.agents.iql import IQL


@register("gciql")
class GCIQL(IQL):
    """IQL in goal mode, whose YAML sets DDPG+BC (algorithms.md 10)."""

    modes = ("goal",)
    stages = (
        replace(IQL.stages[0], view="transitions", networks={"value": (5, 16), "actor": (1, 6)}),
    )
    normaliser_margin = 1e-6
