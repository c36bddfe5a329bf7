"""What a version's run records say: code, data, packages, devices and time behind its rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from mac.stats.committed import Results

HOUR = 3600.0


def recorded(results: Iterable[Results]) -> dict[str, Any]:
    """Facts of every artefact behind the given results, each artefact once.

    Returns:
        By kind: ``commits`` (short ids, ``+`` for uncommitted changes), ``revisions`` by rule,
        ``data`` by data set, ``packages`` by name (each a sorted list of the values found), and
        ``time`` by rule: ``jobs``, ``wall_hours``, ``cpu_hours`` (core-hours) and ``gpu_hours``.
        Kinds that nobody recorded are empty.
    """
    results = list(results)
    runs = {folder: run for one in results for folder, run in one.runs.items()}
    commits: set[str] = set()
    revisions, data, packages = defaultdict(set), defaultdict(set), defaultdict(set)
    time: dict[str, dict[str, float]] = {}
    for one in results:
        if one.revision is not None:
            revisions["aggregate"].add(str(one.revision))
    for folder, run in runs.items():
        if git := run.get("git"):
            commits.add(git["commit"][:10] + ("+" if git.get("dirty") else ""))
        for name, number in _revisions(run).items():
            revisions[name].add(str(number))
        if "data" in run:
            data[PurePosixPath(folder).name.rpartition("-")[0]].add(run["data"])
        for name, version in run.get("packages", {}).items():
            packages[name].add(version)
        if "wall_seconds" in run:
            _add(time.setdefault(run["rule"], defaultdict(float)), run)
    return {
        "commits": sorted(commits),
        "revisions": _sorted(revisions),
        "data": _sorted(data),
        "packages": _sorted(packages),
        "time": {rule: dict(hours) for rule, hours in sorted(time.items())},
    }


def _revisions(run: Mapping[str, Any]) -> dict[str, int]:
    """Revision of a run's code by rule; by rule and part where it trained several together."""
    found = run.get("revision", {})
    if isinstance(found, Mapping):
        return {f"{run['rule']} {part}": number for part, number in found.items()}
    return {run["rule"]: found}


def _add(total: dict[str, float], run: Mapping[str, Any]) -> None:
    """Count a run's hours: a GPU is held for as long as the job runs, cores work part of it."""
    wall = run["wall_seconds"] / HOUR
    total["jobs"] += 1
    total["wall_hours"] += wall
    total["cpu_hours"] += run.get("cpu_seconds", 0.0) / HOUR
    total["gpu_hours"] += wall if str(run.get("device", "")).startswith("cuda") else 0.0


def _sorted(found: Mapping[str, set[str]]) -> dict[str, list[str]]:
    return {key: sorted(values) for key, values in sorted(found.items())}
