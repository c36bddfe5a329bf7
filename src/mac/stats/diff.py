"""Two versions of committed results: which rows compare, and which changed beyond noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mac.rows import VERSIONS
from mac.stats.change import (
    ALPHA,
    MIN_SEEDS,
    Change,
    adjust,
    mean_change,
    paired,
    seed_values,
    unpaired,
)
from mac.stats.committed import Results
from mac.stats.compare import paired_variances
from mac.stats.estimators import probability_of_improvement
from mac.stats.intervals import LEVEL

IDENTICAL, NOISE, BETTER, WORSE = "identical", "noise", "better", "worse"
TOO_FEW_SEEDS = "too few seeds"
FAIL_ON = {"worse": {WORSE}, "any": {WORSE, BETTER}}


@dataclass(frozen=True)
class Side:
    """One version of a cell: the rows of one agent on one task of an experiment."""

    results: Results
    task: str
    agent: str

    @cached_property
    def runs(self) -> pd.DataFrame:
        """:func:`mac.stats.scores.cells` of this cell, by seed."""
        return self.results.cells.loc[(self.agent, self.task)]

    @property
    def rows(self) -> pd.DataFrame:
        """The reported episodes, sorted."""
        return self.results.by_cell[self.task, self.agent].reset_index(drop=True)

    @property
    def scores(self) -> pd.Series:
        """Success rate by seed."""
        return self.runs["score"]

    @property
    def floor(self) -> float:
        """Variance of the mean score that the episodes alone account for."""
        return float(self.runs["variance"].mean() / len(self.runs))

    @property
    def marks(self) -> dict[int, str]:
        """Fingerprint of the evaluation by seed."""
        return self.runs["fingerprint"].to_dict()

    def episodes(self, seed: int) -> np.ndarray:
        """Success of each episode number of a seed, averaged over reported checkpoints."""
        return self.results.episodes.loc[self.agent, self.task, seed].to_numpy()

    @cached_property
    def protocol(self) -> dict[str, str]:
        """What must be equal for two versions of this cell to be compared."""
        counts = {
            "checkpoints averaged": self.runs["checkpoints"],
            "episodes of a checkpoint": self.runs["episodes"] // self.runs["checkpoints"],
            **{name: self.rows[name] for name in VERSIONS},
            "success timing": self.rows["success_timing"],
        }
        return {
            "algorithm": self.results.summary["agents"][self.agent]["algorithm"],
            "mode": self.results.environments[self.task]["mode"],
            "checkpoint rule": self.results.summary["checkpoint"],
            **{what: _listed(values) for what, values in counts.items()},
        }

    @property
    def name(self) -> dict[str, str]:
        """What the row is called."""
        return {
            "experiment": self.results.experiment,
            "environment": self.results.environments[self.task]["name"],
            "task": self.task,
            "agent": self.agent,
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


def _listed(values: Any) -> str:
    return "/".join(str(value) for value in sorted(set(values)))


@dataclass(frozen=True)
class Pair:
    """A cell that both versions have."""

    before: Side
    after: Side

    @cached_property
    def reasons(self) -> list[dict[str, str]]:
        """Why the two are not comparable: what differs, and how; empty if they are."""
        one, other = self.before.protocol, self.after.protocol
        data = (self.before.data, self.after.data)
        shared = next((key for key in ("data", "store") if all(key in d for d in data)), None)
        if shared:
            one["data set"], other["data set"] = (facts[shared] for facts in data)
        return [
            {"what": what, "before": one[what], "after": other[what]}
            for what in one
            if one[what] != other[what]
        ]

    @property
    def data_known(self) -> bool:
        """Whether both versions say which data they are from."""
        return all(side.data for side in (self.before, self.after))

    @property
    def same_artefacts(self) -> bool:
        """Whether both versions evaluated the same artefacts under the same fingerprints."""
        return self.before.marks == self.after.marks

    @cached_property
    def identical(self) -> bool:
        """Whether the rows are those of the same artefacts and equal in every value."""
        return self.same_artefacts and self.before.rows.equals(self.after.rows)

    @cached_property
    def linked(self) -> bool:
        """Whether each seed's two runs share an artefact, so that seeds can be paired."""
        one, other = self.before, self.after
        return one.marks.keys() == other.marks.keys() and all(
            one.results.artefacts(mark, seed) & other.results.artefacts(other.marks[seed], seed)
            for seed, mark in one.marks.items()
        )

    @property
    def testable(self) -> bool:
        """Whether the cell's change can be judged at all and need be."""
        few = min(len(self.before.runs), len(self.after.runs)) < MIN_SEEDS
        return not self.identical and not few

    @cached_property
    def floor(self) -> float:
        """Of a linked cell: variance of the mean difference that the episodes account for."""
        variances = [
            paired_variances(self.after.episodes(seed), self.before.episodes(seed))
            for seed in self.before.marks
        ]
        return float(np.mean(variances) / len(variances))

    @cached_property
    def change(self) -> Change:
        """The cell's change, tested by itself."""
        one, other = self.before, self.after
        if self.linked:
            return paired((other.scores - one.scores).to_numpy(), np.asarray(self.floor))
        floors = np.asarray(one.floor), np.asarray(other.floor)
        return unpaired(one.scores.to_numpy(), other.scores.to_numpy(), *floors)

    @property
    def mode(self) -> str:
        """Reward or goal; never averaged together."""
        return self.before.protocol["mode"]

    @property
    def environment(self) -> str:
        """The environment, whose tasks share trained stages."""
        return self.before.results.environments[self.before.task]["environment"]


def diff(before: Mapping[str, Results], after: Mapping[str, Results]) -> dict[str, Any]:
    """Compare two versions of results cell by cell, as plain values.

    Args:
        before: results of the earlier version by experiment.
        after: those of the later.

    Returns:
        ``cells`` and ``pooled`` with their tests, ``not_comparable`` with reasons, ``only_before``
        and ``only_after``, ``data_not_recorded``, and the levels that were used.
    """
    one, other = _sides(before), _sides(after)
    pairs = [Pair(side, other[key]) for key, side in one.items() if key in other]
    kept = [pair for pair in pairs if not pair.reasons]
    tested = [pair for pair in kept if pair.testable]
    modes = dict.fromkeys(pair.mode for pair in tested)
    groups = {mode: [pair for pair in tested if pair.mode == mode] for mode in modes}
    pooled = {mode: _pooled(group) for mode, group in groups.items() if len(group) > 1}
    by_mode, by_cell = adjust(
        np.array([float(change.p_value) for change in pooled.values()]),
        np.array([float(pair.change.p_value) for pair in tested]),
    )
    adjusted = {id(pair): float(p) for pair, p in zip(tested, by_cell, strict=True)}
    return {
        "level": LEVEL,
        "alpha": ALPHA,
        "tested": len(tested),
        "pooled": [
            {"mode": mode, "cells": len(groups[mode]), **_judged(change, float(p))}
            for (mode, change), p in zip(pooled.items(), by_mode, strict=True)
        ],
        "cells": [_entry(pair, adjusted.get(id(pair))) for pair in kept],
        "not_comparable": [p.before.name | {"reasons": p.reasons} for p in pairs if p.reasons],
        "only_before": [side.name for key, side in one.items() if key not in other],
        "only_after": [side.name for key, side in other.items() if key not in one],
        "data_not_recorded": sum(not pair.data_known for pair in kept if not pair.identical),
    }


def _sides(results: Mapping[str, Results]) -> dict[tuple[str, str, str], Side]:
    """Every cell that has rows, in the order of the tables."""
    return {
        (name, task, agent): Side(one, task, agent)
        for name, one in results.items()
        for task in one.environments
        for agent in one.summary["labels"]
        if (task, agent) in one.by_cell
    }


def _pooled(pairs: Sequence[Pair]) -> Change:
    """Mean change of some cells: environments are independent, within one the seed is the unit."""
    environments = {pair.environment: None for pair in pairs}
    groups = [[pair for pair in pairs if pair.environment == name] for name in environments]
    changes = [_of_environment(group) for group in groups]
    stacked = Change(*(np.array(values) for values in zip(*map(_values, changes), strict=True)))
    return mean_change(stacked, np.array([len(group) for group in groups]))


def _values(change: Change) -> tuple[float, float, float]:
    return float(change.difference), float(change.variance), float(change.freedom)


def _of_environment(pairs: Sequence[Pair]) -> Change:
    count = len(pairs)
    if all(pair.linked for pair in pairs):
        differences = [pair.after.scores - pair.before.scores for pair in pairs]
        floor = sum(pair.floor for pair in pairs) / count**2
        return paired(_by_seed(differences), np.asarray(floor))
    sides = [[pair.before for pair in pairs], [pair.after for pair in pairs]]
    values = [_by_seed([side.scores for side in group]) for group in sides]
    floors = [np.asarray(sum(side.floor for side in group) / count**2) for group in sides]
    return unpaired(*values, *floors)


def _by_seed(cells: Sequence[pd.Series]) -> np.ndarray:
    return seed_values(pd.concat(cells, axis=1).to_numpy(dtype=float))


def _judged(change: Change, adjusted: float) -> dict[str, Any]:
    low, high = change.interval
    moved = WORSE if change.difference < 0 else BETTER
    return {
        "difference": float(change.difference),
        "ci_low": float(low),
        "ci_high": float(high),
        "p_value": float(change.p_value),
        "adjusted_p_value": adjusted,
        "verdict": moved if adjusted <= ALPHA else NOISE,
    }


def _entry(pair: Pair, adjusted: float | None) -> dict[str, Any]:
    one, other = pair.before.scores.to_numpy(), pair.after.scores.to_numpy()
    entry = pair.before.name | {
        "before": float(one.mean()),
        "after": float(other.mean()),
        "seeds_before": len(one),
        "seeds_after": len(other),
        "probability_of_improvement": float(probability_of_improvement(other, one)),
        "same_fingerprints": pair.same_artefacts,
    }
    if adjusted is not None:
        test = "paired" if pair.linked else "Welch"
        return entry | _judged(pair.change, adjusted) | {"test": test}
    known = 0.0 if pair.identical else None
    return entry | {
        "difference": 0.0 if pair.identical else float(other.mean() - one.mean()),
        "ci_low": known,
        "ci_high": known,
        "p_value": None,
        "adjusted_p_value": None,
        "verdict": IDENTICAL if pair.identical else TOO_FEW_SEEDS,
        "test": None,
    }


def exit_code(result: Mapping[str, Any], fail_on: str | None = None) -> int:
    """What the comparison means to a script.

    Returns:
        1 if something changed beyond noise that ``fail_on`` (worse, any) names; otherwise 2 if a
        row both versions have is not comparable, or nothing was compared; otherwise 0.
    """
    verdicts = {entry["verdict"] for entry in (*result["pooled"], *result["cells"])}
    if verdicts & FAIL_ON.get(fail_on or "", set()):
        return 1
    return 2 if result["not_comparable"] or not result["cells"] else 0
