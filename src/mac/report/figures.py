"""Figures: intervals, learning curves, profiles, model error; equal data give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mac.io import atomic_write_bytes
from mac.report.claims import Claims
from mac.report.lines import Line, lines, shared_tasks
from mac.stats.estimators import performance_profile
from mac.stats.intervals import MIN_SEEDS, t_interval
from mac.stats.names import short_task
from mac.stats.scores import matrix

# Okabe and Ito's palette, which stays apart under the common forms of colour blindness; every agent
# also has a marker of its own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6b6b6b", "#1c2127")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p")
INK, SOFT, GRID, FRAME, FAINT = "#1c2127", "#5c6670", "#e3e7eb", "#b4bdc6", "#f4f6f8"
SEEDS = {"lw": 3.6, "alpha": 0.45}
EPISODES = {"lw": 1.1}
SINGLE = {"marker": "|", "ls": "", "ms": 7.0, "mew": 1.2}
PAPER = {"marker": "d", "ls": "", "mfc": "none", "mec": INK, "ms": 5.5, "mew": 1.1}
# The page's name for each colour, so that a report can show figures on a dark ground.
THEMED = {
    **{colour.lower(): f"--agent-{place}" for place, colour in enumerate(COLOURS)},
    **{INK: "--ink", SOFT: "--soft", GRID: "--grid", FRAME: "--frame", FAINT: "--faint"},
    "#ffffff": "--paper",
}
COLUMNS = 3  # panels side by side
DPI = 160

STYLE = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": FRAME,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "mac",
    "svg.fonttype": "path",
    "path.simplify": False,
}


@dataclass(frozen=True)
class Drawn:
    """A figure that was written: its name, what it shows in words, and its size in pixels."""

    name: str
    alt: str
    caption: str
    width: int
    height: int


def styles(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each agent, by its place in the experiment."""
    return {
        label: (COLOURS[i % len(COLOURS)], MARKERS[(i + i // len(COLOURS)) % len(MARKERS)])
        for i, label in enumerate(labels)
    }


def _save(figure: Figure, folder: Path, name: str) -> list[Path]:
    FigureCanvasAgg(figure)
    written = []
    for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata, dpi=DPI)
        path = folder / f"{name}.{kind}"
        atomic_write_bytes(path, buffer.getvalue())
        written.append(path)
    return written


def draw(
    folder: Path,
    summary: Mapping[str, Any],
    rows: pd.DataFrame,
    runs: pd.DataFrame,
    claims: Claims | None,
) -> tuple[list[Drawn], list[Path]]:
    """Draw all figures of an experiment into ``folder``.

    Args:
        folder: where ``<name>.svg`` and ``<name>.png`` go.
        summary: content of ``summary.json``.
        rows: all rows: episodes of every checkpoint, or the model error's.
        runs: their scores, of :func:`mac.stats.scores.read_runs`.
        claims: the paper's numbers, or None.
    """
    plans: list[tuple[str, Callable[[], tuple[Figure, str, str] | None]]]
    if summary["evaluator"] == "model_error":
        plans = [("model_error", lambda: model_error(summary, rows))]
    else:
        plans = [
            ("intervals", lambda: intervals(summary, claims)),
            ("curves", lambda: curves(summary, rows)),
            ("profiles", lambda: profiles(summary, runs)),
        ]
    drawn, files = [], []
    with mpl.rc_context({**mpl.rcParamsDefault, **STYLE}):
        for name, plan in plans:
            if (made := plan()) is None:
                continue
            figure, alt, caption = made
            files += _save(figure, folder, name)
            width, height = (round(float(side) * 96) for side in figure.get_size_inches())
            drawn.append(Drawn(name, alt, caption, width, height))
    return drawn, files


def _panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    across = min(count, COLUMNS)
    down = -(-count // across)
    figure = Figure(figsize=(width * across + 0.6, height * down + 0.5), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08, hspace=0.06, wspace=0.04)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, list(axes[:count])


def _legend(figure: Figure, handles: Sequence[Line2D]) -> None:
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 5))


def intervals(summary: Mapping[str, Any], claims: Claims | None) -> tuple[Figure, str, str]:
    """Means with seed-level (thick) and episode-level (thin) intervals, a panel an environment."""
    labels, look = summary["labels"], styles(summary["labels"])
    wide = len(labels) > 6
    chosen = lines(summary, with_tasks=not wide)
    panels: dict[str, list[Line]] = {"": chosen}
    if not wide:
        names = dict.fromkeys(line.group for line in chosen if line.group)
        panels = {name: [line for line in chosen if line.group == name] for name in names}
    high = max(len(panel) for panel in panels.values())
    height = max(1.5, (0.17 * len(labels) + 0.2) * high + 0.55)
    figure, axes = _panels(len(panels), 3.7 if len(panels) > 1 else 6.2, height)
    step = (0.72 if len(labels) < 4 else 0.86) / len(labels)
    used: set[str] = set()
    for axis, (title, panel) in zip(axes, panels.items(), strict=True):
        for row, line in enumerate(panel):
            if line.kind != "task" and len(panel) > 1 and not wide:
                axis.axhspan(row - 0.5, row + 0.5, color=FAINT, lw=0)
            for place, label in enumerate(labels):
                y = row + (place - (len(labels) - 1) / 2) * step
                used |= _mark(axis, y, line, summary, label, look[label], claims)
        axis.set_ylim(len(panel) - 0.5, len(panel) - high - 0.5)  # means in one line
        axis.set_yticks(range(len(panel)), [_row_name(line, wide) for line in panel])
        axis.tick_params(axis="y", length=0)
        axis.set_xlim(-3, 103)
        axis.set_xticks(range(0, 101, 25))
        axis.grid(axis="x")
        axis.spines["left"].set_visible(False)
        axis.set_title(title)
    for axis in axes[max(0, len(axes) - COLUMNS) :]:
        axis.set_xlabel("success, %")
    handles = [
        Line2D([], [], color=look[a][0], marker=look[a][1], ls="", ms=5.5, label=a) for a in labels
    ]
    keys = {
        "seeds": Line2D([], [], **SEEDS, color=SOFT, label="95 % over seeds"),
        "single": Line2D([], [], **SINGLE, color=SOFT, label="single seeds"),
        "episodes": Line2D([], [], **EPISODES, color=SOFT, label="95 % over episodes"),
        "paper": Line2D([], [], **PAPER, label="paper's mean"),
    }
    _legend(figure, [*handles, *(key for name, key in keys.items() if name in used)])
    caption = (
        "Success rates by task and their means. Thick: 95 % interval over seeds"
        + ("" if "seeds" in used else " (none: too few seeds; ticks are single seeds)")
        + "; thin: 95 % interval over episodes, clustered by task and seed."
    )
    return figure, f"{_spoken(summary)} Intervals are in the tables.", caption


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
    entry = line.entry(summary["agents"][label])
    if entry is None or entry["mean"] is None:
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


def _row_name(line: Line, wide: bool) -> str:
    if wide:
        return line.name
    if line.kind == "task":
        return short_task(line.key)
    return "mean" if line.tasks > 1 else line.name


def _spoken(summary: Mapping[str, Any]) -> str:
    parts = []
    for line in lines(summary, with_tasks=False):
        values = []
        for label in summary["labels"]:
            entry = line.entry(summary["agents"][label])
            if entry and entry["mean"] is not None:
                values.append(f"{label} {100 * entry['mean']:.0f} %")
        parts.append(f"{line.name}: {', '.join(values)}.")
    return "Mean success. " + " ".join(parts)


def _steps(value: float, _: object = None) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _band(values: np.ndarray, floor: float, ceiling: float) -> tuple[np.ndarray, np.ndarray]:
    """The seed-level interval at each x of ``values`` (x, seeds)."""
    low, high = t_interval(values)
    return np.clip(low, floor, ceiling), np.clip(high, floor, ceiling)


def curves(summary: Mapping[str, Any], rows: pd.DataFrame) -> tuple[Figure, str, str] | None:
    """Success over training, a panel an environment; None if no agent has two checkpoints."""
    if rows.groupby("agent")["step"].nunique().max() < 2:
        return None
    labels, look = summary["labels"], styles(summary["labels"])
    environments = summary["environments"]
    figure, axes = _panels(len(environments), 3.3 if len(environments) > 1 else 5.6, 2.6)
    too_few = len(summary["seeds"]) < MIN_SEEDS
    counts = rows.groupby("agent")["step"].nunique()
    last = rows["step"][rows["agent"].isin(counts.index[counts > 1])].max()
    for axis, environment in zip(axes, environments, strict=True):
        chosen = rows[rows["task"].isin(environment["tasks"])]
        runs = chosen.groupby(["agent", "step", "seed", "task"])["success"].mean()
        seeds = 100 * runs.groupby(level=["agent", "step", "seed"]).mean()
        for label in labels:
            if label not in seeds.index.get_level_values("agent"):
                continue
            table = seeds[label].unstack("seed").dropna(axis="columns")
            if table.empty:
                continue
            colour, marker = look[label]
            x, y = table.index.to_numpy(), table.to_numpy()
            if len(x) == 1:
                axis.axhline(y.mean(), color=colour, lw=1.4, ls=(0, (4, 3)))
                continue
            if y.shape[1] >= MIN_SEEDS:
                axis.fill_between(x, *_band(y, 0, 100), color=colour, alpha=0.16, lw=0)
            else:
                axis.plot(x, y, color=colour, lw=0.8, alpha=0.45)
            axis.plot(x, y.mean(1), color=colour, marker=marker, ms=4, mec="white", mew=0.5, lw=1.8)
        axis.set_title(environment["name"])
        axis.set_ylim(-3, 103)
        axis.set_yticks(range(0, 101, 25))
        axis.set_xlim(0, last * 1.03)
        axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axis.xaxis.set_major_formatter(FuncFormatter(_steps))
        axis.grid(axis="y")
    for axis in axes[::COLUMNS]:
        axis.set_ylabel("success, %")
    for axis in axes[max(0, len(axes) - COLUMNS) :]:
        axis.set_xlabel("updates of the last stage")
    _legend(figure, _line_handles(labels, look))
    spread = (
        "thin lines: single seeds"
        if too_few
        else "bands: pointwise 95 % interval over seeds (Student's t)"
    )
    caption = (
        f"Success over training, mean over tasks and seeds; {spread}; dashed: an agent with one"
        " checkpoint."
    )
    return figure, f"Learning curves. At the reported checkpoint: {_spoken(summary)}", caption


def profiles(summary: Mapping[str, Any], runs: pd.DataFrame) -> tuple[Figure, str, str] | None:
    """Share of runs above each score, a panel a protocol; None if agents share no task."""
    labels, look = summary["labels"], styles(summary["labels"])
    common = set(shared_tasks(summary))
    panels: dict[str, list[str]] = {}
    for environment in summary["environments"]:
        own = [task for task in environment["tasks"] if task in common]
        panels.setdefault(environment["mode"], []).extend(own)
    panels = {mode: tasks for mode, tasks in panels.items() if tasks}
    if not panels:
        return None
    figure, axes = _panels(len(panels), 3.3 if len(panels) > 1 else 5.6, 2.6)
    thresholds = np.linspace(0, 1, 201)  # finer than the steps of 50 or 150 episodes
    with_bands = len(summary["seeds"]) >= MIN_SEEDS
    for axis, (mode, tasks) in zip(axes, panels.items(), strict=True):
        for label in labels:
            scores = matrix(runs, label, tasks, summary["seeds"])
            scores = scores[np.isfinite(scores).all(1)]
            if not len(scores):
                continue
            colour, _ = look[label]
            shares = 100 * performance_profile(scores, thresholds)
            x = 100 * thresholds
            if len(scores) >= MIN_SEEDS:
                band = _band(shares, 0, 100)
                axis.fill_between(x, *band, step="post", color=colour, alpha=0.16, lw=0)
            axis.step(x, shares.mean(1), where="post", color=colour, lw=1.8)
        axis.set_title(f"{mode} tasks" if len(panels) > 1 else "")
        axis.set_xlim(0, 100)
        axis.set_ylim(-3, 103)
        axis.set_xticks(range(0, 101, 25))
        axis.set_yticks(range(0, 101, 25))
        axis.set_xlabel("success τ, %")
        axis.grid()
    axes[0].set_ylabel("runs above τ, %")
    _legend(figure, [Line2D([], [], color=look[a][0], lw=1.8, label=a) for a in labels])
    tasks = sum(map(len, panels.values()))
    caption = (
        f"Performance profiles: share of runs (seeds × {tasks} tasks that all agents ran) with a"
        " success rate above τ; higher is better, and the area under a profile is the mean."
        + (" Bands: pointwise 95 % interval over seeds (Student's t)." if with_bands else "")
    )
    halves = []
    for label in labels:
        own = np.concatenate(
            [matrix(runs, label, t, summary["seeds"]).ravel() for t in panels.values()]
        )
        own = own[np.isfinite(own)]
        if own.size:
            halves.append(f"{label} {100 * (own > 0.5).mean():.0f} %")
    alt = f"Performance profiles. Runs with more than 50 % success: {', '.join(halves)}."
    return figure, alt, caption


def _line_handles(labels: Sequence[str], look: Mapping[str, tuple[str, str]]) -> list[Line2D]:
    return [
        Line2D([], [], color=look[a][0], marker=look[a][1], lw=1.8, ms=5, mec="white", label=a)
        for a in labels
    ]


def model_error(summary: Mapping[str, Any], rows: pd.DataFrame) -> tuple[Figure, str, str]:
    """Open-loop squared error over the horizon, a panel an environment."""
    labels, look = summary["labels"], styles(summary["labels"])
    environments = summary["environments"]
    last = rows[rows["step"] == rows.groupby(["agent", "task", "seed"])["step"].transform("max")]
    last = last[last["horizon"] > 0]  # the start is known exactly
    figure, axes = _panels(len(environments), 3.3 if len(environments) > 1 else 5.6, 2.6)
    for axis, environment in zip(axes, environments, strict=True):
        chosen = last[last["task"].isin(environment["tasks"])]
        seeds = chosen.groupby(["agent", "horizon", "seed"])["mse"].mean()
        for label in labels:
            if label not in seeds.index.get_level_values("agent"):
                continue
            table = seeds[label].unstack("seed").dropna(axis="columns")
            colour, marker = look[label]
            x, y = table.index.to_numpy(), table.to_numpy()
            if y.shape[1] >= MIN_SEEDS:  # on the scale of the axis, where it cannot reach zero
                low, high = t_interval(np.log(np.maximum(y, 1e-300)))
                axis.fill_between(x, np.exp(low), np.exp(high), color=colour, alpha=0.16, lw=0)
            else:
                axis.plot(x, y, color=colour, lw=0.8, alpha=0.45)
            centre = np.exp(np.log(np.maximum(y, 1e-300)).mean(1))
            every = max(1, len(x) // 8)
            axis.plot(
                *(x, centre),
                color=colour,
                marker=marker,
                markevery=every,
                ms=5,
                mec="white",
                mew=0.5,
                lw=1.8,
            )
        axis.set_title(environment["name"])
        axis.set_yscale("log")
        axis.set_xlim(left=0)
        axis.grid(axis="y")
        axis.minorticks_off()
    for axis in axes[::COLUMNS]:
        axis.set_ylabel("squared error (normalised)")
    for axis in axes[max(0, len(axes) - COLUMNS) :]:
        axis.set_xlabel("environment steps ahead")
    _legend(figure, _line_handles(labels, look))
    few = len(summary["seeds"]) < MIN_SEEDS
    spread = "thin lines: single seeds" if few else "bands: pointwise 95 % interval over seeds"
    caption = (
        f"Open-loop prediction error on held-out windows, geometric mean over seeds; {spread}."
    )
    alt = "Squared prediction error over the number of environment steps ahead, one line an agent."
    return figure, alt, caption
