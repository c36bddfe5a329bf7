"""The models' squared error over the horizon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mac.report.figures.style import COLUMNS, legend, line_handles, panels, styles
from mac.stats.intervals import MIN_SEEDS, t_interval


def model_error(summary: Mapping[str, Any], rows: pd.DataFrame) -> tuple[Figure, str, str]:
    """Open-loop squared error over the horizon, a panel an environment."""
    labels, look = summary["labels"], styles(summary["labels"])
    environments = summary["environments"]
    last = rows[rows["step"] == rows.groupby(["agent", "task", "seed"])["step"].transform("max")]
    last = last[last["horizon"] > 0]  # the start is known exactly
    figure, axes = panels(len(environments), 3.3 if len(environments) > 1 else 5.6, 2.6)
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
    legend(figure, line_handles(labels, look))
    few = len(summary["seeds"]) < MIN_SEEDS
    spread = "thin lines: single seeds" if few else "bands: pointwise 95 % interval over seeds"
    caption = (
        f"Open-loop prediction error on held-out windows, geometric mean over seeds; {spread}."
    )
    alt = "Squared prediction error over the number of environment steps ahead, one line an agent."
    return figure, alt, caption
