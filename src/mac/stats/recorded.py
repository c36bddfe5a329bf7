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
    by_rule = defaultdict(list)
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
        by_rule[run["rule"]].append(run)
    return {
        "commits": sorted(commits),
        "revisions": _sorted(revisions),
        "data": _sorted(data),
        "packages": _sorted(packages),
        "time": {rule: time for rule, own in sorted(by_rule.items()) if (time := hours(own))},
    }


def _revisions(run: Mapping[str, Any]) -> dict[str, int]:
    """Revision of a run's code by rule; by rule and part where it trained several together."""
    found = run.get("revision", {})
    if isinstance(found, Mapping):
        return {f"{run['rule']} {part}": number for part, number in found.items()}
    return {run["rule"]: found}


def hours(runs: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Time of the runs that recorded theirs, in hours; empty if none did.

    Keys: ``jobs``, ``wall_hours``, ``cpu_hours`` (core-hours) and ``gpu_hours``: a GPU is held for
    as long as its job runs, cores work part of it.
    """
    timed = [run for run in runs if "wall_seconds" in run]
    if not timed:
        return {}
    on_gpu = [run for run in timed if str(run.get("device", "")).startswith("cuda")]
    return {
        "jobs": len(timed),
        "wall_hours": sum(run["wall_seconds"] for run in timed) / HOUR,
        "cpu_hours": sum(run.get("cpu_seconds", 0.0) for run in timed) / HOUR,
        "gpu_hours": sum(run["wall_seconds"] for run in on_gpu) / HOUR,
    }


def _sorted(found: Mapping[str, set[str]]) -> dict[str, list[str]]:
    return {key: sorted(values) for key, values in sorted(found.items())}
