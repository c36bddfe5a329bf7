"""What stands below an experiment's tables: what their numbers are, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mac.report.cells import SAME, Entry, count
from mac.stats.names import short_task


def notes(summary: Mapping[str, Any]) -> list[str]:
    """What the tables' numbers are: statistic, seeds, episodes, checkpoint, failures, versions."""
    if summary["evaluator"] == "model_error":
        first = (
            "Squared error of normalised observations, open loop on held-out windows, at the"
            " longest horizon (environment steps) that all agents reach with whole chunks; mean ±"
            f" standard deviation over {count(len(summary['seeds']), 'seed')}; last checkpoint."
        )
        return [first, _seeds_note(), *_no_data(summary), *_failures(summary)]
    entries = [e for agent in summary["agents"].values() for e in agent["tasks"].values()]
    episodes = sorted({e["episodes"] // e["seeds"] for e in entries if e["seeds"]})
    shown = (
        "–".join(str(n) for n in dict.fromkeys((episodes[0], episodes[-1]))) if episodes else "0"
    )
    found = [
        "Success rate in percent at an episode's last step: mean ± standard deviation over"
        f" {count(len(summary['seeds']), 'training seed')} of the seed's mean over tasks;"
        f" {shown} episodes a task and seed; {_checkpoint(summary)}. Bold: at least 95 % of the"
        " row's best.",
        _seeds_note(),
        "95 % episodes: clustered by task and seed; how well these runs are measured, not how other"
        " seeds would do. 95 % bootstrap: the field's stratified percentile bootstrap over seeds,"
        " which ignores that tasks share a seed. 95 % IQM: bootstrap-t over seeds, from"
        " 16 runs (seeds × tasks) on.",
    ]
    stars = [e for agent in summary["agents"].values() for e in _entries(agent)]
    if any(e["ci_reason"] and e["ci_low"] is not None for e in stars):
        found.append(f"{SAME} all seeds agree; the interval is the episodes' sampling error.")
    if len({len(agent["tasks"]) for agent in summary["agents"].values()}) > 1:
        found.append("Agents did not run on the same tasks: their overall means do not compare.")
    found += [*_no_data(summary), *_failures(summary)]
    known = {k: v for k, v in summary["versions"].items() if v != ["n/a"]}
    if known:
        text = ", ".join(f"{k.replace('_', ' ')} {'/'.join(v)}" for k, v in known.items())
        found.append(f"Played with {text}.")
    return found


def _entries(agent: Mapping[str, Any]) -> list[Entry]:
    return [agent["overall"], *agent["environments"].values(), *agent["tasks"].values()]


def _seeds_note() -> str:
    return (
        "95 % seeds: Student's t on the seeds' means over tasks, from 4 seeds on; it is the"
        " interval to quote."
    )


def _checkpoint(summary: Mapping[str, Any]) -> str:
    if summary["checkpoint"] == "last":
        return "last checkpoint"
    text = "mean of the last three checkpoints"
    short: dict[int, list[str]] = {}
    for label in summary["labels"]:
        count = summary["agents"][label]["checkpoints"]
        if count is not None and count < 3:
            short.setdefault(count, []).append(label)
    for count, labels in short.items():
        text += f" ({', '.join(labels)}: {'only one' if count == 1 else 'two'})"
    return text


def _no_data(summary: Mapping[str, Any]) -> list[str]:
    """A line for each environment of the experiment that the tables cannot show."""
    return [f"No data: {name} ({why})." for name, why in summary["no_data"].items()]


def _failures(summary: Mapping[str, Any]) -> list[str]:
    missing: Sequence[Mapping[str, Any]] = summary["missing"]
    if not missing:
        return []
    shown = "; ".join(
        f"{run['agent']} seed {run['seed']} on {', '.join(map(short_task, run['tasks']))}"
        for run in missing[:8]
    )
    rest = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
    return [
        f"! {count(len(missing), 'run')} missing or failed: {shown}{rest}. Rows marked ! leave out"
        " seeds that lack a task; with failures counted as zero the means are in summary.json."
    ]
