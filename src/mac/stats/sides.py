"""One version of a compared row: its seeds' success rates, or its model's prediction errors."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from mac.rows import VERSIONS
from mac.stats.committed import Results
from mac.stats.compare import paired_variances

PARTS = 3  # of the longest horizon, at whose ends prediction errors are compared
ROUNDING = 1e-6  # of a mean squared error of float32 numbers, relative
_TINY = np.finfo(float).tiny  # stands in for an error of 0, which has no logarithm

_LARGEST = 700.0  # logarithm of a number that still is one: intervals of few seeds may be longer


@dataclass(frozen=True)
class Side(ABC):
    """One version of a cell: the rows of one agent on one task of an experiment.

    Attributes:
        results: of the whole experiment.
        task: the task.
        agent: the agent's label.
        horizon: environment steps ahead, of a prediction error.
    """

    results: Results
    task: str
    agent: str
    horizon: int | None = None

    measure: ClassVar[str]
    good: ClassVar[int]  # sign of a change for the better

    @property
    @abstractmethod
    def scores(self) -> pd.Series:
        """One value a seed, on the scale on which seeds are compared."""

    @property
    @abstractmethod
    def floor(self) -> float:
        """Variance of the mean score below which no spread over seeds counts."""

    @abstractmethod
    def paired_floor(self, after: Side) -> float:
        """The same of the mean difference of paired seeds."""

    @abstractmethod
    def _counts(self) -> dict[str, Any]:
        """Values that must be equal in two versions, by what they are."""

    @staticmethod
    @abstractmethod
    def printed(score: float) -> float:
        """A mean score as people read it."""

    @staticmethod
    @abstractmethod
    def moved(difference: float) -> float:
        """A difference of mean scores as people read it."""

    def against(self, after: Side) -> list[tuple[Side, Side]]:
        """The rows in which this version is compared with a later one of the same protocol."""
        return [(self, after)]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All reported rows of the cell, sorted."""
        return self.results.by_cell[self.task, self.agent].reset_index(drop=True)

    @cached_property
    def marks(self) -> dict[int, str]:
        """Fingerprint of the evaluation by seed."""
        return self.rows.groupby("seed")["fingerprint"].first().to_dict()

    @cached_property
    def protocol(self) -> dict[str, str]:
        """What must be equal for two versions of this cell to be compared."""
        return {
            "measure": self.measure,
            "algorithm": self.results.summary["agents"][self.agent]["algorithm"],
            "mode": self.results.environments[self.task]["mode"],
            "checkpoint rule": self.results.summary["checkpoint"],
            **{what: _listed(values) for what, values in self._counts().items()},
        }

    @property
    def name(self) -> dict[str, Any]:
        """What the row is called."""
        return {
            "experiment": self.results.experiment,
            "environment": self.results.environments[self.task]["name"],
            "task": self.task,
            "agent": self.agent,
            "measure": self.measure,
            "horizon": self.horizon,
        }

    @property
    def data(self) -> dict[str, str]:
        """Fingerprints of the data behind the rows: ``store``, ``data``; absent if unrecorded."""
        known = [self.results.data(mark, seed) for seed, mark in self.marks.items()]
        return {
            key: _listed([facts[key] for facts in known])
            for key in ("data", "store")
            if all(key in facts for facts in known)
        }


def _listed(values: Iterable[Any]) -> str:
    return "/".join(str(value) for value in sorted(set(values)))


class Rate(Side):
    """Success rates; their difference is one of rates."""

    measure = "success rate"
    good = 1

    @cached_property
    def runs(self) -> pd.DataFrame:
        """:func:`mac.stats.scores.cells` of this cell, by seed."""
        return self.results.cells.loc[(self.agent, self.task)]

    @property
    def scores(self) -> pd.Series:
        """Success rate by seed."""
        return self.runs["score"]

    @property
    def floor(self) -> float:
        """Variance of the mean score that the episodes alone account for."""
        return float(self.runs["variance"].mean() / len(self.runs))

    def paired_floor(self, after: Side) -> float:
        """Variance of the mean difference that the paired episodes alone account for."""
        found = [paired_variances(after.episodes(s), self.episodes(s)) for s in self.marks]
        return float(np.mean(found) / len(found))

    def episodes(self, seed: int) -> np.ndarray:
        """Success of each episode number of a seed, averaged over reported checkpoints."""
        return self.results.episodes.loc[self.agent, self.task, seed].to_numpy()

    def _counts(self) -> dict[str, Any]:
        return {
            "checkpoints averaged": self.runs["checkpoints"],
            "episodes of a checkpoint": self.runs["episodes"] // self.runs["checkpoints"],
            **{name: self.rows[name] for name in VERSIONS},
            "success timing": self.rows["success_timing"],
        }

    @staticmethod
    def printed(score: float) -> float:
        """The mean success rate."""
        return float(score)

    @staticmethod
    def moved(difference: float) -> float:
        """The difference, cut to what one of rates can be."""
        return float(np.clip(difference, -1.0, 1.0))


class PredictionError(Side):
    """Mean squared prediction errors at one horizon; their change is relative.

    Errors of seeds differ by factors, and grow by orders of magnitude over the horizon: seeds are
    compared by the logarithm, as the figure draws them, and a difference is that of geometric
    means, as a share of the earlier one.
    """

    measure = "prediction error"
    good = -1

    @property
    def scores(self) -> pd.Series:
        """Logarithm of the error by seed."""
        at = self.rows[self.rows["horizon"] == self.horizon].set_index("seed")["mse"]
        return np.log(at.clip(lower=_TINY))

    @property
    def floor(self) -> float:
        """What rounding may account for."""
        return ROUNDING**2

    def paired_floor(self, after: Side) -> float:
        """What rounding may account for."""
        return self.floor + after.floor

    def against(self, after: Side) -> list[tuple[Side, Side]]:
        """One row for the end of each third of the horizon, as far as whole chunks of both go."""
        common = np.intersect1d(self.rows["horizon"], after.rows["horizon"])
        ends = common[-1] * np.arange(1, PARTS + 1) // PARTS
        chosen = np.unique(common[np.searchsorted(common, ends, "right") - 1])
        return [
            (dataclasses.replace(self, horizon=int(h)), dataclasses.replace(after, horizon=int(h)))
            for h in chosen
            if h > 0  # where a prediction starts there is nothing to predict
        ]

    def _counts(self) -> dict[str, Any]:
        return {
            "windows": self.rows["windows"],
            "longest horizon": self.rows.groupby("seed")["horizon"].max(),
        }

    @staticmethod
    def printed(score: float) -> float:
        """The geometric mean of the errors."""
        return float(np.exp(score))

    @staticmethod
    def moved(difference: float) -> float:
        """How much larger the later errors are, as a share of the earlier."""
        return float(np.expm1(min(difference, _LARGEST)))


_BY_EVALUATOR: dict[str, type[Side]] = {"episodes": Rate, "model_error": PredictionError}
MEASURES = tuple(side.measure for side in _BY_EVALUATOR.values())


def sides(results: Iterable[Results]) -> dict[tuple[str, str, str], Side]:
    """Every cell that has rows, by experiment, task and agent, in the order of the tables."""
    return {
        (one.experiment, task, agent): _BY_EVALUATOR[one.summary["evaluator"]](one, task, agent)
        for one in results
        for task in one.environments
        for agent in one.summary["labels"]
        if (task, agent) in one.by_cell
    }
