"""MAC (Gau): MAC whose candidates come from a Gaussian behaviour policy."""

from __future__ import annotations

from mac.agents.base import register
from mac.agents.mac import MAC


@register("mac_gau")
class MACGau(MAC):
    """MAC with ``behaviour.policy: gaussian``, which its YAML sets (algorithms.md 2)."""
