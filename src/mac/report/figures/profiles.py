"""Performance profiles: how many runs reach how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mac.report.figures.style import band, legend, panels, styles
from mac.report.lines import shared_tasks
from mac.stats.estimators import performance_profile
from mac.stats.intervals import MIN_SEEDS
from mac.stats.scores import matrix


def profiles(summary: Mapping[str, Any], runs: pd.DataFrame) -> tuple[Figure, str, str] | None:
    """Share of runs above each score, a panel a protocol; None if agents share no task."""
    labels, look = summary["labels"], styles(summary["labels"])
    common = set(shared_tasks(summary))
    by_mode: dict[str, list[str]] = {}
    for environment in summary["environments"]:
        own = [task for task in environment["tasks"] if task in common]
        by_mode.setdefault(environment["mode"], []).extend(own)
    by_mode = {mode: tasks for mode, tasks in by_mode.items() if tasks}
    if not by_mode:
        return None
    figure, axes = panels(len(by_mode), 3.3 if len(by_mode) > 1 else 5.6, 2.6)
    thresholds = np.linspace(0, 1, 201)  # finer than the steps of 50 or 150 episodes
    with_bands = len(summary["seeds"]) >= MIN_SEEDS
    for axis, (mode, tasks) in zip(axes, by_mode.items(), strict=True):
        for label in labels:
            scores = matrix(runs, label, tasks, summary["seeds"])
            scores = scores[np.isfinite(scores).all(1)]
            if not len(scores):
                continue
            colour, _ = look[label]
            shares = 100 * performance_profile(scores, thresholds)
            x = 100 * thresholds
            if len(scores) >= MIN_SEEDS:
                ends = band(shares, 0, 100)
                axis.fill_between(x, *ends, step="post", color=colour, alpha=0.16, lw=0)
            axis.step(x, shares.mean(1), where="post", color=colour, lw=1.8)
        axis.set_title(f"{mode} tasks" if len(by_mode) > 1 else "")
        axis.set_xlim(0, 100)
        axis.set_ylim(-3, 103)
        axis.set_xticks(range(0, 101, 25))
        axis.set_yticks(range(0, 101, 25))
        axis.set_xlabel("success τ, %")
        axis.grid()
    axes[0].set_ylabel("runs above τ, %")
    legend(figure, [Line2D([], [], color=look[a][0], lw=1.8, label=a) for a in labels])
    tasks = sum(map(len, by_mode.values()))
    caption = (
        f"Performance profiles: share of runs (seeds × {tasks} tasks that all agents ran) with a"
        " success rate above τ; higher is better, and the area under a profile is the mean."
        + (" Bands: pointwise 95 % interval over seeds (Student's t)." if with_bands else "")
    )
    halves = []
    for label in labels:
        own = np.concatenate(
            [matrix(runs, label, t, summary["seeds"]).ravel() for t in by_mode.values()]
        )
        own = own[np.isfinite(own)]
        if own.size:
            halves.append(f"{label} {100 * (own > 0.5).mean():.0f} %")
    alt = f"Performance profiles. Runs with more than 50 % success: {', '.join(halves)}."
    return figure, alt, caption
