"""LEQ as published: its critic learns from imagined rows."""

from __future__ import annotations

from mac.agents.base import register
from mac.agents.leq import LEQ


@register("leq_fixed")
class LEQFixed(LEQ):
    """LEQ with ``corrected_critic``, which its YAML sets (algorithms.md 8)."""
