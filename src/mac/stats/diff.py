"""Two versions of committed results: which rows compare, and which changed beyond noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

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
from mac.stats.estimators import probability_of_improvement
from mac.stats.intervals import LEVEL
from mac.stats.sides import Side, sides

IDENTICAL, NOISE, BETTER, WORSE = "identical", "noise", "better", "worse"
TOO_FEW_SEEDS = "too few seeds"
FAIL_ON = {"worse": {WORSE}, "any": {WORSE, BETTER}}


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
            if what in other and one[what] != other[what]
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
        few = min(len(self.before.scores), len(self.after.scores)) < MIN_SEEDS
        return not self.identical and not few

    @cached_property
    def floor(self) -> float:
        """Of a linked cell: :meth:`Side.paired_floor`."""
        return self.before.paired_floor(self.after)

    @cached_property
    def change(self) -> Change:
        """The cell's change, tested by itself."""
        one, other = self.before, self.after
        if self.linked:
            return paired((other.scores - one.scores).to_numpy(), np.asarray(self.floor))
        floors = np.asarray(one.floor), np.asarray(other.floor)
        return unpaired(one.scores.to_numpy(), other.scores.to_numpy(), *floors)

    @property
    def kind(self) -> tuple[str, str]:
        """What is measured, and reward or goal: others are never averaged together."""
        return self.before.measure, self.before.protocol["mode"]

    @property
    def parts(self) -> list[Pair]:
        """The rows in which the cell is compared."""
        return [Pair(one, other) for one, other in self.before.against(self.after)]

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
    one, other = sides(before.values()), sides(after.values())
    pairs = [Pair(side, other[key]) for key, side in one.items() if key in other]
    kept = [part for pair in pairs if not pair.reasons for part in pair.parts]
    tested = [pair for pair in kept if pair.testable]
    kinds = dict.fromkeys(pair.kind for pair in tested)
    groups = {kind: [pair for pair in tested if pair.kind == kind] for kind in kinds}
    pooled = {kind: _pooled(group) for kind, group in groups.items() if len(group) > 1}
    by_kind, by_cell = adjust(
        np.array([float(change.p_value) for change in pooled.values()]),
        np.array([float(pair.change.p_value) for pair in tested]),
    )
    adjusted = {id(pair): float(p) for pair, p in zip(tested, by_cell, strict=True)}
    return {
        "level": LEVEL,
        "alpha": ALPHA,
        "tested": len(tested),
        "pooled": [
            {"measure": kind[0], "mode": kind[1], "cells": len(groups[kind])}
            | _judged(groups[kind][0].before, change, float(p))
            for (kind, change), p in zip(pooled.items(), by_kind, strict=True)
        ],
        "cells": [_entry(pair, adjusted.get(id(pair))) for pair in kept],
        "not_comparable": [p.before.name | {"reasons": p.reasons} for p in pairs if p.reasons],
        "only_before": [side.name for key, side in one.items() if key not in other],
        "only_after": [side.name for key, side in other.items() if key not in one],
        "data_not_recorded": sum(not pair.data_known for pair in kept if not pair.identical),
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


def _judged(side: Side, change: Change, adjusted: float) -> dict[str, Any]:
    low, high = change.interval
    moved = BETTER if change.difference * side.good > 0 else WORSE
    return {
        "difference": side.moved(change.difference),
        "ci_low": side.moved(low),
        "ci_high": side.moved(high),
        "p_value": float(change.p_value),
        "adjusted_p_value": adjusted,
        "verdict": moved if adjusted <= ALPHA else NOISE,
    }


def _entry(pair: Pair, adjusted: float | None) -> dict[str, Any]:
    side, one, other = pair.before, pair.before.scores.to_numpy(), pair.after.scores.to_numpy()
    entry = side.name | {
        "before": side.printed(one.mean()),
        "after": side.printed(other.mean()),
        "seeds_before": len(one),
        "seeds_after": len(other),
        "probability_of_improvement": float(
            probability_of_improvement(side.good * other, side.good * one)
        ),
        "same_fingerprints": pair.same_artefacts,
    }
    if adjusted is not None:
        test = "paired" if pair.linked else "Welch"
        return entry | _judged(side, pair.change, adjusted) | {"test": test}
    known = 0.0 if pair.identical else None
    return entry | {
        "difference": 0.0 if pair.identical else side.moved(other.mean() - one.mean()),
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
