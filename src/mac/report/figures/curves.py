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
    """Success over training, a panel for each environment with an agent of several checkpoints.

    None if there is no such environment.
    """
    panel_rows = {e["name"]: rows[rows["task"].isin(e["tasks"])] for e in summary["environments"]}
    followed = {name: found for name, own in panel_rows.items() if len(found := _followed(own))}
    if not followed:
        return None
    labels, look = summary["labels"], styles(summary["labels"])
    figure, axes = panels(len(followed), 3.3 if len(followed) > 1 else 5.6, 2.6)
    too_few = len(summary["seeds"]) < MIN_SEEDS
    for axis, (name, several) in zip(axes, followed.items(), strict=True):
        chosen = panel_rows[name]
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
        axis.set_title(name)
        axis.set_ylim(-3, 103)
        axis.set_yticks(range(0, 101, 25))
        axis.set_xlim(0, 1.03 * chosen["step"][chosen["agent"].isin(several)].max())
        axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axis.xaxis.set_major_formatter(FuncFormatter(_steps))
        axis.grid(axis="y")
    for axis in axes[::COLUMNS]:
        axis.set_ylabel("success, %")
    for axis in axes[max(0, len(axes) - COLUMNS) :]:
        axis.set_xlabel("updates of the last stage")
    drawn = {label for name in followed for label in panel_rows[name]["agent"]}
    legend(figure, line_handles([label for label in labels if label in drawn], look))
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


def _followed(rows: pd.DataFrame) -> pd.Index:
    """Agents with several checkpoints of one task."""
    counts = rows.groupby(["agent", "task"])["step"].nunique()
    return counts.index[counts > 1].unique("agent")


def _steps(value: float, _: object = None) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
