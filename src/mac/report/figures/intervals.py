"""Means of all agents with their intervals, and the paper's means beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mac.report.cells import Entry
from mac.report.claims import Claims
from mac.report.figures.style import COLUMNS, FAINT, INK, SOFT, legend, panels, styles
from mac.report.lines import Line, lines
from mac.stats.names import short_task

SEEDS = {"lw": 3.6, "alpha": 0.45}
EPISODES = {"lw": 1.1}
SINGLE = {"marker": "|", "ls": "", "ms": 7.0, "mew": 1.2}
PAPER = {"marker": "d", "ls": "", "mfc": "none", "mec": INK, "ms": 5.5, "mew": 1.1}


def intervals(summary: Mapping[str, Any], claims: Claims | None) -> tuple[Figure, str, str]:
    """Means with seed-level (thick) and episode-level (thin) intervals.

    A panel an environment, whose rows are tasks and their mean; of many agents one panel, whose
    rows are the agents of each environment.
    """
    labels = summary["labels"]
    wide = len(labels) > 6
    figure, used = (_by_agent if wide else _by_task)(summary, claims)
    look = {} if wide else styles(labels)  # rows of one agent have its name
    agents = [
        Line2D([], [], color=colour, marker=marker, ls="", ms=5.5, label=label)
        for label, (colour, marker) in look.items()
    ]
    keys = {
        "seeds": Line2D([], [], **SEEDS, color=SOFT, label="95 % over seeds"),
        "single": Line2D([], [], **SINGLE, color=SOFT, label="single seeds"),
        "episodes": Line2D([], [], **EPISODES, color=SOFT, label="95 % over episodes"),
        "paper": Line2D([], [], **PAPER, label="paper's mean"),
    }
    legend(figure, [*agents, *(key for name, key in keys.items() if name in used)])
    caption = (
        "Success rates by task and their means. Thick: 95 % interval over seeds"
        + ("" if "seeds" in used else " (none: too few seeds; ticks are single seeds)")
        + "; thin: 95 % interval over episodes, clustered by task and seed."
    )
    return figure, f"{spoken(summary)} Intervals are in the tables.", caption


def _by_task(summary: Mapping[str, Any], claims: Claims | None) -> tuple[Figure, set[str]]:
    """Agents side by side in the row of a task; also what was drawn besides the means."""
    labels, look = summary["labels"], styles(summary["labels"])
    chosen = lines(summary)
    names = dict.fromkeys(line.group for line in chosen if line.group)
    by_title = {name: [line for line in chosen if line.group == name] for name in names}
    high = max(len(panel) for panel in by_title.values())
    height = max(1.5, (0.17 * len(labels) + 0.2) * high + 0.55)
    figure, axes = panels(len(by_title), 3.7 if len(by_title) > 1 else 6.2, height)
    step = (0.72 if len(labels) < 4 else 0.86) / len(labels)
    used: set[str] = set()
    for axis, (title, panel) in zip(axes, by_title.items(), strict=True):
        for row, line in enumerate(panel):
            if line.kind != "task" and len(panel) > 1:
                axis.axhspan(row - 0.5, row + 0.5, color=FAINT, lw=0)
            for place, label in enumerate(labels):
                y = row + (place - (len(labels) - 1) / 2) * step
                used |= _mark(axis, y, line, summary, label, look[label], claims)
        axis.set_ylim(len(panel) - 0.5, len(panel) - high - 0.5)  # means in one line
        _rates(axis, range(len(panel)), [_row_name(line) for line in panel])
        axis.set_title(title)
    for axis in axes[max(0, len(axes) - COLUMNS) :]:
        axis.set_xlabel("success, %")
    return figure, used


def _by_agent(summary: Mapping[str, Any], claims: Claims | None) -> tuple[Figure, set[str]]:
    """A named row for each agent that an environment has; also what was drawn besides the means."""
    look = styles(summary["labels"])
    chosen = {
        line: [a for a in summary["labels"] if _known(line, summary, a)]
        for line in lines(summary, with_tasks=False)
    }
    height = sum(len(labels) + 1.6 for labels in chosen.values())
    figure, (axis,) = panels(1, 6.2, 0.17 * height + 0.4)
    used: set[str] = set()
    y, rows = 0.0, dict[float, str]()
    for line, labels in chosen.items():
        axis.axhspan(y - 0.6, y + 0.6, color=FAINT, lw=0)
        axis.text(50, y, line.name, ha="center", va="center", weight="bold")
        for label in labels:
            y += 1
            used |= _mark(axis, y, line, summary, label, look[label], claims)
            rows[y] = label
        y += 1.6
    axis.set_ylim(y - 0.9, -0.6)
    _rates(axis, list(rows), list(rows.values()))
    axis.set_xlabel("success, %")
    return figure, used


def _rates(axis: Axes, rows: Sequence[float], names: Sequence[str]) -> None:
    """Per cent along x, named rows along y."""
    axis.set_yticks(rows, names)
    axis.tick_params(axis="y", length=0)
    axis.set_xlim(-3, 103)
    axis.set_xticks(range(0, 101, 25))
    axis.grid(axis="x")
    axis.spines["left"].set_visible(False)


def _known(line: Line, summary: Mapping[str, Any], label: str) -> Entry | None:
    """An agent's statistics on a line, None where it has no mean."""
    entry = line.entry(summary["agents"][label])
    return None if entry is None or entry["mean"] is None else entry


def _mark(
    axis: Axes,
    y: float,
    line: Line,
    summary: Mapping[str, Any],
    label: str,
    look: tuple[str, str],
    claims: Claims | None,
) -> set[str]:
    """Draw one agent's entry at height ``y``; returns what was drawn besides the mean."""
    entry = _known(line, summary, label)
    if entry is None:
        return set()
    colour, marker = look
    used = set()
    for name, prefix, style in (("episodes", "episode_ci", EPISODES), ("seeds", "ci", SEEDS)):
        if entry[f"{prefix}_low"] is not None:
            ends = [100 * entry[f"{prefix}_low"], 100 * entry[f"{prefix}_high"]]
            axis.plot(ends, [y, y], **style, color=colour)
            used.add(name)
    if "seeds" not in used and entry["seeds"] > 1:
        single = [100 * mean for mean in entry["seed_means"].values()]
        axis.plot(single, [y] * len(single), **SINGLE, color=colour)
        used.add("single")
    axis.plot(100 * entry["mean"], y, marker, color=colour, ms=4.8, mec="white", mew=0.6)
    names = {e["name"]: e["environment"] for e in summary["environments"]}
    if claims is not None and line.level == "environments":
        claim = claims.of(names[line.key], label, line.tasks)
        if claim is not None:
            axis.plot(claim.mean, y, **PAPER, zorder=4, clip_on=False)
            used.add("paper")
    return used


def _row_name(line: Line) -> str:
    if line.kind == "task":
        return short_task(line.key)
    return "mean" if line.tasks > 1 else line.name


def spoken(summary: Mapping[str, Any]) -> str:
    """The means in words, for those who do not see the figure."""
    parts = []
    for line in lines(summary, with_tasks=False):
        values = []
        for label in summary["labels"]:
            if entry := _known(line, summary, label):
                values.append(f"{label} {100 * entry['mean']:.0f} %")
        parts.append(f"{line.name}: {', '.join(values)}.")
    return "Mean success. " + " ".join(parts)
