"""How the settings behind each number were found: how many were tried, and where from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Tunings = Mapping[tuple[str, str], Mapping[str, Any]]  # by label and environment of the tables


def tunings(summary: Mapping[str, Any], settings: Sequence[Mapping[str, Any]]) -> Tunings:
    """What experiment and agents say of it; whoever says nothing is absent.

    Args:
        summary: content of ``summary.json``.
        settings: ``label``, ``environment``, ``mode`` and perhaps ``tuning`` of each cell.
    """
    names = {(g["environment"], g["mode"]): g["name"] for g in summary["environments"]}
    return {
        (one["label"], names[one["environment"], one["mode"]]): one["tuning"]
        for one in settings
        if one.get("tuning") and (one["environment"], one["mode"]) in names
    }


def tuning_notes(summary: Mapping[str, Any], found: Tunings) -> list[str]:
    """What the column says, and the sources by agent; by environment where these differ."""
    if not found:
        return []
    notes = ["tuning: how many settings were tried, those chosen among them."]
    for label in summary["labels"]:
        by_source: dict[str, list[str]] = {}
        for (agent, environment), one in found.items():
            if agent == label:
                by_source.setdefault(one["source"], []).append(environment)
        for source, environments in by_source.items():
            where = f" on {', '.join(environments)}" if len(by_source) > 1 else ""
            notes.append(f"{label}{where}: {source.rstrip('.')}.")
    return notes
