"""How the settings behind each number were found: how many were tried, and where from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Tunings = Mapping[tuple[str, str], Mapping[str, Any]]  # by label and environment of the tables


def tunings(summary: Mapping[str, Any], settings: Sequence[Mapping[str, Any]]) -> Tunings:
    """What experiment and agents say of it; whoever says nothing is absent.

    Where an experiment gives some values of an agent without a word on how these were found, the
    source names them as its own, and how many were tried is not known.

    Args:
        summary: content of ``summary.json``.
        settings: ``label``, ``environment``, ``mode`` and perhaps ``tuning`` of each cell; of that
            ``settings``, ``source`` and, where there are such values, ``changed``.
    """
    names = {(g["environment"], g["mode"]): g["name"] for g in summary["environments"]}
    return {
        (one["label"], names[one["environment"], one["mode"]]): _told(one["tuning"])
        for one in settings
        if one.get("tuning") and (one["environment"], one["mode"]) in names
    }


def _told(tuning: Mapping[str, Any]) -> dict[str, Any]:
    source = tuning["source"].rstrip(".")
    if changed := tuning.get("changed"):
        own = f"{source}; the experiment's own: {', '.join(changed)}"
        return {"settings": None, "source": own}
    return {"settings": tuning["settings"], "source": source}


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
            notes.append(f"{label}{where}: {source}.")
    return notes
