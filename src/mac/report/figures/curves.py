"""Success over training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mac.report.figures.intervals import spoken
from mac.report.figures.style import COLUMNS, band, legend, line_handles, panels, styles
from mac.stats.intervals import MIN_SEEDS


def curves(summary: Mapping[str, Any], rows: pd.DataFrame) -> tuple[Figure, str, str] | None:
    """Success over training, a panel an environment; None if no agent has two checkpoints."""
    if rows.groupby("agent")["step"].nunique().max() < 2:
        return None
    labels, look = summary["labels"], styles(summary["labels"])
    environments = summary["environments"]
    figure, axes = panels(len(environments), 3.3 if len(environments) > 1 else 5.6, 2.6)
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
                axis.fill_between(x, *band(y, 0, 100), color=colour, alpha=0.16, lw=0)
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
    legend(figure, line_handles(labels, look))
    spread = (
        "thin lines: single seeds"
        if too_few
        else "bands: pointwise 95 % interval over seeds (Student's t)"
    )
    caption = (
        f"Success over training, mean over tasks and seeds; {spread}; dashed: an agent with one"
        " checkpoint."
    )
    return figure, f"Learning curves. At the reported checkpoint: {spoken(summary)}", caption


def _steps(value: float, _: object = None) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
