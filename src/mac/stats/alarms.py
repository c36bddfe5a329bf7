"""How often a comparison of two versions alarms, rightly and wrongly: the tables of docs/diff.md.

``python -m mac.stats.alarms`` prints them in about two minutes, with ``--json`` as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from mac.rng import stream
from mac.stats.change import ALPHA, Change, adjust, mean_change, paired, seed_values, unpaired
from mac.stats.coverage import binomial_variances, true_rates

EPISODES = 50
SHARED = 0.5  # correlation of one seed's tasks in an environment
SPREADS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)  # as in mac.stats.coverage
SPREAD = 0.05
SEEDS = (4, 8)
EVERY_MEAN = np.linspace(0.0, 1.0, 25).reshape(5, 5)  # environments x tasks

# What drops in a table of 5 x 5 cells, and tables of fewer cells that drop altogether.
SETTINGS = {
    "one row of 25": ((5, 5), np.s_[:1, :1]),
    "one environment of 5": ((5, 5), np.s_[:1]),
    "all 25 rows": ((5, 5), np.s_[:]),
    "all 4 rows": ((1, 4), np.s_[:]),
    "the only row": ((1, 1), np.s_[:]),
}


def pair(
    draws: np.random.Generator,
    count: int,
    seeds: int,
    before: np.ndarray,
    after: np.ndarray,
    spread: float,
    linked: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Success rates (count, environments, tasks, seeds) of two versions of one table.

    Args:
        draws: generator.
        count: number of such pairs.
        seeds: training seeds of either side.
        before: (environments, tasks) true means of the earlier version's cells.
        after: those of the later.
        spread: variance of the runs' true rates as a share of mean (1 - mean).
        linked: correlation of the two sides' runs with one seed.
    """
    common = _normals(draws, (count, seeds, *before.shape))
    sides = []
    for means in (before, after):
        own = _normals(draws, (count, seeds, *before.shape))
        normal = np.sqrt(linked) * common + np.sqrt(1 - linked) * own
        rates = np.empty_like(normal)
        for place in np.ndindex(*before.shape):
            cell = (..., *place)
            rates[cell] = true_rates(normal[cell], float(means[place]), spread)
        sides.append(np.moveaxis(draws.binomial(EPISODES, rates) / EPISODES, 1, -1))
    return sides[0], sides[1]


def _normals(draws: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Standard normal variables; tasks of one seed and environment are correlated."""
    environment = draws.normal(size=(*size[:-1], 1))
    return np.sqrt(SHARED) * environment + np.sqrt(1 - SHARED) * draws.normal(size=size)


def _paired_variances(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """:func:`mac.stats.compare.paired_variances` where episodes are independent given rates."""
    mean = (after - before) * EPISODES / (EPISODES + 2)
    square = ((before + after - 2 * before * after) * EPISODES + 2) / (EPISODES + 2)
    return (square - mean**2) / EPISODES


def compared(
    before: np.ndarray, after: np.ndarray, *, linked: bool = False
) -> tuple[Change, Change, np.ndarray, np.ndarray]:
    """The whole comparison of :func:`pair`'s arrays, as :mod:`mac.stats.diff` makes it.

    Returns:
        The pooled change (count, 1), the cells' (count, cells), and the adjusted p-values of both.
    """
    seeds, tasks = before.shape[-1], before.shape[-2]
    values = [seed_values(np.swapaxes(rates, -1, -2)) for rates in (before, after)]
    if linked:
        floor = _paired_variances(before, after).mean(-1) / seeds
        cells = paired(after - before, floor)
        environments = paired(values[1] - values[0], floor.sum(-1) / tasks**2)
    else:
        floors = [binomial_variances(rates, EPISODES).mean(-1) / seeds for rates in (before, after)]
        cells = unpaired(before, after, *floors)
        environments = unpaired(*values, *(floor.sum(-1) / tasks**2 for floor in floors))
    cells = Change(*(array.reshape(len(before), -1) for array in vars(cells).values()))
    whole = mean_change(environments, np.ones(before.shape[1]))
    pooled = Change(*(array[:, None] for array in vars(whole).values()))
    wanted = pooled.p_value if cells.difference.shape[1] > 1 else np.empty((len(before), 0))
    return pooled, cells, *adjust(wanted, cells.p_value)


def false_alarms(
    seeds: int, spread: float, count: int, *, linked: bool = False
) -> dict[str, float]:
    """Share of comparisons of equal versions that alarm at all, by a cell, by the pooled test.

    Args:
        seeds: training seeds of either side.
        spread: between-seed variance as a share of mean (1 - mean).
        count: simulated pairs of 25 cells whose means go from 0 to 1.
        linked: both sides share a stage by seed (correlation 0.5), so that cells are paired.
    """
    draws = stream(0, "false alarms", seeds, str(spread), int(linked))
    sides = pair(draws, count, seeds, EVERY_MEAN, EVERY_MEAN, spread, 0.5 * linked)
    *_, pooled, cells = compared(*sides, linked=linked)
    by_pool, by_cell = (pooled <= ALPHA).any(-1), (cells <= ALPHA).any(-1)
    return {
        "any": float((by_pool | by_cell).mean()),
        "cells": float(by_cell.mean()),
        "pooled": float(by_pool.mean()),
    }


def power(
    seeds: int, drop: float, mean: float, setting: str, count: int, spread: float = SPREAD
) -> dict[str, float]:
    """Share of comparisons that find a drop: by an alarm at all, and by the cells that dropped.

    Args:
        seeds: training seeds of either side.
        drop: by which rates fall.
        mean: of all cells before it.
        setting: one of ``SETTINGS``.
        count: simulated pairs.
        spread: between-seed variance as a share of mean (1 - mean).
    """
    shape, where = SETTINGS[setting]
    before = np.full(shape, mean)
    after = before.copy()
    after[where] -= drop
    draws = stream(0, "power", seeds, str(drop), str(mean), setting)
    pooled, cells, by_pool, by_cell = compared(*pair(draws, count, seeds, before, after, spread))
    worse = (by_cell <= ALPHA) & (cells.difference < 0)
    whole = (by_pool <= ALPHA) & (pooled.difference[:, : by_pool.shape[1]] < 0)
    return {
        "alarm": float((worse.any(-1) | whole.any(-1)).mean()),
        "cell": float(worse[:, (before != after).ravel()].mean()),
    }


def measure(count: int = 20_000) -> dict[str, list[dict[str, Any]]]:
    """Both tables as plain values."""
    return {
        "false_alarms": [
            {"seeds": seeds, "spread": spread, "paired": linked}
            | false_alarms(seeds, spread, count, linked=linked)
            for linked in (False, True)
            for spread in SPREADS
            for seeds in (2, *SEEDS)
        ],
        "power": [
            {"seeds": seeds, "drop": drop, "mean": mean, "what": setting}
            | power(seeds, drop, mean, setting, count // 4)
            for setting in SETTINGS
            for mean in (0.5, 0.95)
            for drop in (0.1, 0.2)
            for seeds in SEEDS
        ],
    }


def tables(results: dict[str, list[dict[str, Any]]]) -> str:
    """Both tables as Markdown, in percent."""
    alarms = {(r["paired"], r["spread"], r["seeds"]): r["any"] for r in results["false_alarms"]}
    counts = (2, *SEEDS)
    tests = [(linked, n) for linked in (False, True) for n in counts]
    titles = [f"{'paired' if linked else 'Welch'}, {n} seeds" for linked, n in tests]
    lines = [_row(["spread", *titles]), _row(["---"] + ["---:"] * len(tests))]
    for spread in SPREADS:
        found = [f"{100 * alarms[linked, spread, n]:.1f}" for linked, n in tests]
        lines.append(_row([f"{spread:g}", *found]))
    heads = [f"{n} seeds: {what}" for n in SEEDS for what in ("alarm", "row")]
    lines += ["", _row(["what drops", "from", "to", *heads]), _row(["---"] + ["---:"] * 6)]
    found = {(r["what"], r["mean"], r["drop"], r["seeds"]): r for r in results["power"]}
    for what, mean, drop in dict.fromkeys(key[:3] for key in found):
        rows = [found[what, mean, drop, n] for n in SEEDS]
        cells = [f"{100 * row[key]:.0f}" for row in rows for key in ("alarm", "cell")]
        lines.append(_row([what, f"{100 * mean:.0f}", f"{100 * (mean - drop):.0f}", *cells]))
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print both tables."""
    results = measure()
    as_json = "--json" in sys.argv[1:]
    print(json.dumps(results, indent=2, sort_keys=True) if as_json else tables(results))


if __name__ == "__main__":
    main()
