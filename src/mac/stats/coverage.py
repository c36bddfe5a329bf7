"""How often the intervals contain the truth, by simulation: the tables of docs/statistics.md.

``python -m mac.stats.coverage`` prints them, in a few minutes.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from mac.rng import stream
from mac.stats.estimators import iqm
from mac.stats.intervals import (
    bootstrap_interval,
    episode_interval,
    iqm_interval,
    t_interval,
)

EPISODES = 50
SPREAD = 0.05  # of the runs' true rates, as a share of the largest possible variance
MEANS = (0.02, 0.1, 0.15, 0.5, 0.85, 0.9, 0.98)


def success_rates(
    draws: np.random.Generator,
    count: int,
    seeds: int,
    tasks: int,
    episodes: int,
    mean: float,
    spread: float,
    shared: float,
) -> np.ndarray:
    """Observed success rates (count, seeds, tasks) of simulated experiments.

    Args:
        draws: generator.
        count: number of experiments.
        seeds: training seeds of each.
        tasks: tasks of each.
        episodes: evaluation episodes a run.
        mean: mean of the runs' true rates, which have a beta distribution.
        spread: their variance as a share of mean (1 - mean); 0 makes all runs alike.
        shared: correlation of one seed's tasks (of the normal variables behind the rates).
    """
    size = (count, seeds, tasks)
    if spread == 0:
        return draws.binomial(episodes, mean, size=size) / episodes
    normal = np.sqrt(shared) * draws.normal(size=(count, seeds, 1))
    normal = normal + np.sqrt(1 - shared) * draws.normal(size=size)
    return draws.binomial(episodes, true_rates(normal, mean, spread)) / episodes


def true_rates(normal: np.ndarray, mean: float, spread: float) -> np.ndarray:
    """True success rates of runs with a beta distribution, from standard normal variables."""
    if spread == 0 or mean in (0.0, 1.0):
        return np.full_like(normal, mean)
    strength = (1 - spread) / spread
    grid = np.linspace(-5, 5, 400)  # exact quantiles of every run would take far longer
    table = stats.beta.ppf(stats.norm.cdf(grid), mean * strength, (1 - mean) * strength)
    return np.interp(normal, grid, table)


def binomial_variances(rates: np.ndarray, episodes: int) -> np.ndarray:
    """:func:`mac.stats.sampling.sampling_variance` of rates over so many single episodes."""
    smoothed = (rates * episodes + 1) / (episodes + 2)
    return smoothed * (1 - smoothed) / episodes


def covered(low: np.ndarray, high: np.ndarray, truth: float) -> float:
    """Share of the intervals that contain ``truth``."""
    return float(np.mean((low <= truth) & (truth <= high)))


def by_method(
    mean: float, seeds: int, tasks: int, shared: float, spread: float = SPREAD, count: int = 20_000
) -> dict[str, float]:
    """Coverage of every interval; the bootstraps' on at most 1,000 of the experiments."""
    draws = stream(0, "coverage", f"{mean} {seeds} {tasks} {shared} {spread}")
    rates = success_rates(draws, count, seeds, tasks, EPISODES, mean, spread, shared)
    variances = binomial_variances(rates, EPISODES)
    found = {"episodes": covered(*episode_interval(rates, variances, (0, 1)), mean)}
    if seeds < 4:
        return found
    pooled = variances.sum((1, 2)) / (seeds * tasks) ** 2
    found["seeds"] = covered(*t_interval(rates.mean(-1), pooled), mean)
    few = rates[:1000]
    ends = [bootstrap_interval(one, draws) for one in few]
    found["bootstrap"] = covered(*_ends(ends), mean)
    if seeds * tasks >= 16:
        more = success_rates(draws, 20_000, seeds, tasks, EPISODES, mean, spread, shared)
        truth = float(iqm(more).mean())
        found["IQM"] = covered(*_ends([iqm_interval(one, draws, (0, 1)) for one in few]), truth)
    return found


def _ends(intervals: list) -> tuple[np.ndarray, np.ndarray]:
    low = np.array([np.nan if i.low is None else i.low for i in intervals])
    high = np.array([np.nan if i.high is None else i.high for i in intervals])
    known = np.isfinite(low)
    return low[known], high[known]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the tables as Markdown."""
    settings = [(seeds, shared) for seeds in (4, 8) for shared in (0.0, 0.5, 1.0)]
    results = {(m, *s): by_method(m, s[0], 5, s[1]) for m in MEANS for s in settings}
    header = ["interval", "mean", *(f"{seeds} seeds, r = {shared:g}" for seeds, shared in settings)]
    print(_row(header), _row(["---"] * 2 + ["---:"] * len(settings)), sep="\n")
    for method in ("seeds", "IQM", "bootstrap", "episodes"):
        for mean in MEANS:
            values = [100 * results[mean, *setting][method] for setting in settings]
            print(_row([method, f"{mean:g}", *(f"{value:.1f}" for value in values)]))
    print()
    spreads = [(spread, shared) for spread in (0.0, 0.02, 0.1) for shared in (0.0, 1.0)][1:]
    header = [f"spread {s:g}, r = {r:g}" if s else "spread 0" for s, r in spreads]
    print(_row(["seeds × tasks", *header]), _row(["---"] + ["---:"] * len(spreads)), sep="\n")
    for seeds, tasks in ((1, 1), (2, 1), (2, 2), (3, 5), (8, 5)):
        values = [by_method(0.3, seeds, tasks, r, s, 20_000)["episodes"] for s, r in spreads]
        print(_row([f"{seeds} × {tasks}", *(f"{100 * value:.1f}" for value in values)]))


if __name__ == "__main__":
    main()
