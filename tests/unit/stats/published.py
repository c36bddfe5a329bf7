"""The field's estimators as they were published, and rliable's own where it is installed.

The definitions are those of Agarwal et al., "Deep Reinforcement Learning at the Edge of the
Statistical Precipice" (2021), which rliable implements: written out in loops, with no line in
common with ``mac.stats``. Scores are runs (seeds) x tasks.
"""

import importlib
import importlib.util
import itertools

import numpy as np


class Definitions:
    """One run after the other, as a reader of the paper would count."""

    @staticmethod
    def iqm(scores):
        runs = sorted(float(x) for row in scores for x in row)
        cut = len(runs) // 4
        middle = runs[cut : len(runs) - cut]
        return sum(middle) / len(middle)

    @staticmethod
    def optimality_gap(scores, target):
        runs = [float(x) for row in scores for x in row]
        return target - sum(min(x, target) for x in runs) / len(runs)

    @staticmethod
    def profile(scores, thresholds):
        runs = [float(x) for row in scores for x in row]
        return [sum(x > threshold for x in runs) / len(runs) for threshold in thresholds]

    @staticmethod
    def probability_of_improvement(ours, theirs):
        tasks = len(ours[0])
        total = 0.0
        for task in range(tasks):
            pairs = [(x[task], y[task]) for x in ours for y in theirs]
            total += sum(1.0 if x > y else 0.5 if x == y else 0.0 for x, y in pairs) / len(pairs)
        return total / tasks

    @staticmethod
    def bootstrap_of_the_mean(scores):
        return np.quantile(resampled_means(scores), [0.025, 0.975])

    @staticmethod
    def bootstrap_of_the_probability(ours, theirs):
        return np.quantile(resampled_probabilities(ours, theirs), [0.025, 0.975])


def resamples(values):
    """Every way to draw as many values as there are, with replacement."""
    return [list(chosen) for chosen in itertools.product(values, repeat=len(values))]


def resampled_means(scores):
    """The mean in each stratified resample there is: runs are drawn within each task by itself."""
    of_tasks = [[np.mean(runs) for runs in resamples(task)] for task in np.transpose(scores)]
    return [sum(chosen) / len(chosen) for chosen in itertools.product(*of_tasks)]


def resampled_probabilities(ours, theirs):
    """P(better) in each stratified resample there is; both agents' runs are drawn by themselves."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape[1] == 1, "of one task, or there are too many to go through"
    of_ours, of_theirs = (np.array(resamples(a[:, 0])) for a in (ours, theirs))
    wins = np.zeros((len(of_ours), len(of_theirs)))
    for x in of_ours.T:
        for y in of_theirs.T:
            wins += np.where(x[:, None] > y, 1.0, np.where(x[:, None] == y, 0.5, 0.0))
    return (wins / (ours.size * theirs.size)).ravel()


class Rliable:
    """The same names, answered by the library."""

    def __init__(self):
        self.metrics = importlib.import_module("rliable.metrics")
        self.library = importlib.import_module("rliable.library")

    def iqm(self, scores):
        return self.metrics.aggregate_iqm(scores)

    def optimality_gap(self, scores, target):
        return self.metrics.aggregate_optimality_gap(scores, target)

    def profile(self, scores, thresholds):
        found, _ = self.library.create_performance_profile({"agent": scores}, thresholds, reps=2)
        return found["agent"]

    def probability_of_improvement(self, ours, theirs):
        return self.metrics.probability_of_improvement(ours, theirs)

    def _ends(self, scores, statistic):
        _, ends = self.library.get_interval_estimates(
            {"agent": scores}, lambda *arrays: np.array([statistic(*arrays)]), reps=2000
        )
        return ends["agent"][:, 0]

    def bootstrap_of_the_mean(self, scores):
        return self._ends(scores, self.metrics.aggregate_mean)

    def bootstrap_of_the_probability(self, ours, theirs):
        return self._ends([ours, theirs], self.metrics.probability_of_improvement)


# rliable is no dependency, for the reasons in docs/statistics.md: where somebody has installed it,
# it answers beside the definitions.
SOURCES = [Definitions, Rliable] if importlib.util.find_spec("rliable") else [Definitions]
