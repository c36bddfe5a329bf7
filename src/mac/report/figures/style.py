"""How all figures look: colours and markers of agents, panels, legends, bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mac.stats.intervals import t_interval

# Okabe and Ito's palette, which stays apart under the common forms of colour blindness; every agent
# also has a marker of its own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6b6b6b", "#1c2127")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p")
INK, SOFT, GRID, FRAME, FAINT = "#1c2127", "#5c6670", "#e3e7eb", "#b4bdc6", "#f4f6f8"
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


def styles(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each agent, by its place in the experiment."""
    return {
        label: (COLOURS[i % len(COLOURS)], MARKERS[(i + i // len(COLOURS)) % len(MARKERS)])
        for i, label in enumerate(labels)
    }


def panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, of a width and height in inches each."""
    across = min(count, COLUMNS)
    down = -(-count // across)
    figure = Figure(figsize=(width * across + 0.6, height * down + 0.5), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08, hspace=0.06, wspace=0.04)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, list(axes[:count])


def legend(figure: Figure, handles: Sequence[Line2D]) -> None:
    """A legend above the panels."""
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 5))


def line_handles(labels: Sequence[str], look: Mapping[str, tuple[str, str]]) -> list[Line2D]:
    """Entries of a legend for agents' lines."""
    return [
        Line2D([], [], color=look[a][0], marker=look[a][1], lw=1.8, ms=5, mec="white", label=a)
        for a in labels
    ]


def band(values: np.ndarray, floor: float, ceiling: float) -> tuple[np.ndarray, np.ndarray]:
    """The seed-level interval at each x of ``values`` (x, seeds)."""
    low, high = t_interval(values)
    return np.clip(low, floor, ceiling), np.clip(high, floor, ceiling)
