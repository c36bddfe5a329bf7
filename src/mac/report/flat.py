"""The tables' numbers as CSV: one row for each agent on each line, in full precision."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from mac.report.lines import lines
from mac.report.tuning import Tunings
from mac.report.verdicts import Comparison

_ENDS = ("low", "high", "reason")
STATISTICS = (
    *("tasks", "seeds", "episodes", "mean", "std", "iqm", "optimality_gap", "horizon"),
    *(f"{kind}_{end}" for kind in ("ci", "iqm_ci", "bootstrap_ci") for end in _ENDS),
    *("episode_ci_low", "episode_ci_high"),
)
COLUMNS = (
    *("experiment", "level", "environment", "task", "agent"),
    *STATISTICS,
    *("tuning", "tuning_source"),
    *("paper_mean", "paper_spread", "paper_spread_over", "verdict", "because"),
)


def csv_table(summary: Mapping[str, Any], compared: Sequence[Comparison], tuned: Tunings) -> str:
    """Statistics of every agent by task, environment and overall, the paper's number beside them.

    All rates lie in [0, 1], the paper's too; what is not known is empty.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    beside = {(one.line.key, one.label): one for one in compared if one.label}
    for line in lines(summary):
        for label in summary["labels"]:
            if (entry := line.entry(summary["agents"][label])) is None:
                continue
            row = {
                "experiment": summary["experiment"],
                "level": line.kind,
                "environment": line.group,
                "task": line.key if line.kind == "task" else "",
                "agent": label,
                **{key: _text(entry.get(key)) for key in STATISTICS},
            }
            if tuning := tuned.get((label, line.group)):
                row |= {"tuning": _text(tuning["settings"]), "tuning_source": tuning["source"]}
            one = beside.get((line.key, label)) if line.level == "environments" else None
            if one:
                spread = one.claim.spread
                row |= {
                    "paper_mean": _text(one.claim.mean / 100),
                    "paper_spread": _text(None if spread is None else spread / 100),
                    "paper_spread_over": "" if spread is None else one.claim.meaning,
                    "verdict": one.verdict.word,
                    "because": one.verdict.why,
                }
            writer.writerow(row)
    return text.getvalue()


def _text(value: float | str | None) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)
