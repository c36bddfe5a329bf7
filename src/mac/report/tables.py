"""An experiment's tables: what every cell says, once; how it looks is up to the templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mac.report.cells import (
    MEAN,
    MINUS,
    Cell,
    Column,
    Entry,
    Row,
    Table,
    chance,
    count,
    interval,
    magnitude,
    percent,
    plain,
    points,
    span,
)
from mac.report.claims import OTHER_TASKS, SECOND_HAND, Claims
from mac.report.lines import Line, line_anchor, lines, shared_tasks
from mac.report.tuning import Tunings, tuning_notes
from mac.stats.compare import improvement_matrix

BOLD_SHARE = 0.95  # OGBench: bold is what reaches 95 % of the row's best
MAX_INLINE = 4  # agents up to which intervals stand beside the means
MAX_PAIRS = 16  # rows up to which the comparisons are shown task by task


def best(values: Mapping[str, float | None]) -> set[str]:
    """Agents whose mean reaches 95 % of the best; none where nobody ever succeeds."""
    known = {label: value for label, value in values.items() if value is not None}
    top = max(known.values(), default=0.0)
    return {label for label, value in known.items() if top > 0 and value >= BOLD_SHARE * top}


def score_table(summary: Mapping[str, Any], claims: Claims | None) -> Table:
    """The main table: rows are tasks and means, columns agents, the paper's numbers beside ours."""
    labels, agents = summary["labels"], summary["agents"]
    inline = len(labels) <= MAX_INLINE
    few = any(
        line_entry and line_entry["ci_low"] is None
        for line in lines(summary)
        for line_entry in (line.entry(agents[label]) for label in labels)
    )
    paper = {label: _claims_of(summary, claims, label) for label in labels}
    columns = [Column("success, %", "l")]
    for label in labels:
        columns.append(Column(MEAN, "r", label))
        if inline:
            columns.append(Column("95 % seeds", "r", label))
        if inline and few:
            columns.append(Column("95 % episodes", "r", label))
        if paper[label]:
            columns.append(Column("paper", "r", label))
    rows = []
    for line in lines(summary):
        entries = {label: line.entry(agents[label]) for label in labels}
        bold = best({label: e["mean"] if e else None for label, e in entries.items()})
        cells = [Cell(line.name)]
        for label, entry in entries.items():
            anchor = line_anchor(summary, line, label)
            cells.append(_mean_cell(entry, label in bold, anchor))
            if inline:
                cells.append(interval(entry) if entry else Cell())
            if inline and few:
                cells.append(interval(entry, "episode_ci") if entry else Cell())
            if paper[label]:
                claim = paper[label].get(line.name)
                cells.append(Cell(claim.text if claim else "", muted=True))
        rows.append(Row(tuple(cells), line.kind, line.group))
    return Table(
        "scores", "Success rates", tuple(columns), tuple(rows), _paper_notes(paper, claims)
    )


def _claims_of(summary: Mapping[str, Any], claims: Claims | None, label: str) -> dict[str, Any]:
    if claims is None:
        return {}
    names = {e["name"]: e["environment"] for e in summary["environments"]}
    found = {
        line.name: claims.of(names[line.key], label, line.tasks)
        for line in lines(summary, with_tasks=False)
        if line.level == "environments"
    }
    return {name: claim for name, claim in found.items() if claim}


def _paper_notes(paper: Mapping[str, Any], claims: Claims | None) -> tuple[str, ...]:
    shown = [claim for column in paper.values() for claim in column.values()]
    if not shown or claims is None:
        return ()
    notes = [f"paper: {claims.source}; {claims.statistic}."]
    if any(claim.spread is not None for claim in shown):
        notes.append(
            "The paper's ± has its meaning in brackets: over seeds or over tasks, with a question"
            " mark where that was inferred; (?) is unknown. It does not compare with ours and is"
            " used in no test."
        )
    marks = "".join(claim.marks for claim in shown)
    if SECOND_HAND in marks:
        notes.append(f"{SECOND_HAND} quoted second-hand, not read in the paper.")
    if OTHER_TASKS in marks:
        notes.append(f"{OTHER_TASKS} over {claims.tasks} tasks, ours over others or fewer.")
    used = {claim.column for claim in shown}
    notes += [n.text for n in claims.notes if not n.columns or used & set(n.columns)]
    return tuple(notes)


def _mean_cell(entry: Entry | None, bold: bool, anchor: str = "") -> Cell:
    if entry is None:
        return Cell("not run", muted=True)
    if entry["mean"] is None:
        return Cell(entry["ci_reason"], muted=True)
    rest = "" if entry["std"] is None else f" ± {percent(entry['std'])}"
    if "mean_with_failures" in entry:
        rest += " !"
    return Cell(percent(entry["mean"]), rest, bold, anchor=anchor)


def statistics_table(summary: Mapping[str, Any], tuned: Tunings) -> Table:
    """Every interval and estimate of each agent, by environment and overall; and its tuning."""
    titles = ("mean", "IQM", "gap", "95 % seeds", "95 % IQM", "95 % bootstrap", "95 % episodes")
    columns = [Column("", "l"), Column("agent", "l"), *map(Column, titles)]
    columns += [Column("seeds"), Column("episodes"), *([Column("tuning")] if tuned else [])]
    rows = []
    for line in lines(summary, with_tasks=False):
        for label in summary["labels"]:
            entry = line.entry(summary["agents"][label])
            if entry is None:
                continue
            cells = (
                Cell(line.name),
                Cell(label),
                Cell(percent(entry["mean"])),
                Cell(percent(entry["iqm"])),
                Cell(percent(entry["optimality_gap"])),
                interval(entry),
                interval(entry, "iqm_ci"),
                interval(entry, "bootstrap_ci"),
                interval(entry, "episode_ci"),
                Cell(str(entry["seeds"])),
                Cell(f"{entry['episodes']:,}".replace(",", " ")),
                *([_tuning_cell(tuned, label, line)] if tuned else []),
            )
            rows.append(Row(cells, line.kind, line.group))
    notes = (
        "gap: optimality gap, how far runs stay below 100 % on average; a success rate cannot pass"
        " that, so the gap is 100 less the mean, and its intervals mirror the mean's.",
        *tuning_notes(summary, tuned),
    )
    return Table("statistics", "Estimates and intervals", tuple(columns), tuple(rows), notes)


def _tuning_cell(tuned: Tunings, label: str, line: Line) -> Cell:
    """Number of settings tried; empty on a mean over environments, where it means nothing."""
    if line.level == "overall":
        return Cell()
    one = tuned.get((label, line.group))
    said = one and one["settings"] is not None
    return Cell(str(one["settings"])) if said else Cell("not said", muted=True)


def comparison_table(summary: Mapping[str, Any]) -> Table | None:
    """Paired differences; None without a pair."""
    if not summary["comparisons"]:
        return None
    titles = ("difference", "95 % seeds", "95 % episodes", "p", "P(better)", "95 % bootstrap")
    titles = (*titles, "seeds")
    columns = (Column("percentage points", "l"), Column("agents", "l"), *map(Column, titles))
    rows = []
    with_tasks = len(lines(summary)) * len(summary["comparisons"]) <= MAX_PAIRS
    for line in lines(summary, with_tasks=with_tasks):
        for pair in summary["comparisons"]:
            entry = line.entry(pair)
            if entry is None:
                continue
            cells = (
                Cell(line.name),
                Cell(f"{pair['agent']} {MINUS} {pair['baseline']}"),
                Cell(points(entry["difference"])),
                interval(entry, form=points),
                interval(entry, "episode_ci", form=points),
                Cell(chance(entry["p_value"])),
                Cell(plain(entry["probability_of_improvement"])),
                interval(entry, "probability_ci", form=plain),
                Cell(str(entry["seeds"])),
            )
            rows.append(Row(cells, line.kind, line.group))
    notes = (
        "Differences are paired: both agents were trained with the same seeds and start each"
        " evaluation episode from the same state. P(better): probability that a run of the first"
        " agent beats one of the second on the same task, ties counted half.",
        "p: exact one-sided sign test that the first agent is better, on the paired episodes that"
        " only one of the two solved; it speaks of these runs, not of other seeds.",
    )
    return Table("comparisons", "Paired differences", columns, tuple(rows), notes)


def improvement_table(summary: Mapping[str, Any], runs: pd.DataFrame) -> Table | None:
    """Probability that the row's agent beats the column's; None for fewer than three agents.

    Two agents have their one number among the paired differences. Tasks are those that all agents
    ran; protocols are not mixed.
    """
    labels = summary["labels"]
    tasks = shared_tasks(summary)
    if len(labels) < 3 or not tasks or len({e["mode"] for e in summary["environments"]}) > 1:
        return None
    found = improvement_matrix(runs, labels, tasks, summary["seeds"])
    rows = [
        Row(
            (
                Cell(label),
                *(
                    Cell(MINUS, muted=True) if np.isnan(p) else Cell(plain(p), share=float(p))
                    for p in line
                ),
            )
        )
        for label, line in zip(labels, found, strict=True)
    ]
    notes = (
        "Probability that a run of the row's agent beats one of the column's on the same task, ties"
        f" counted half, mean over {count(len(tasks), 'task')}. Intervals stand with the paired"
        " differences.",
    )
    columns = (Column("P(row beats column)", "l"), *map(Column, labels))
    return Table("improvement", "Probability of improvement", columns, tuple(rows), notes)


def value_table(summary: Mapping[str, Any]) -> Table | None:
    """Value estimates against true returns; None unless every agent has a value function."""
    entries = [
        (line, label, line.entry(summary["agents"][label]))
        for line in lines(summary, with_tasks=False)
        for label in summary["labels"]
    ]
    if any(entry is None or entry.get("value_error") is None for _, _, entry in entries):
        return None
    titles = ("bias", "95 % seeds", "abs. error", "95 % seeds")
    columns = [Column("", "l"), Column("agent", "l"), *map(Column, titles)]
    rows = []
    for line, label, entry in entries:
        cells = [Cell(line.name), Cell(label)]
        for key in ("value_bias", "value_error"):
            cells.append(Cell(magnitude(entry[key]["mean"])))
            cells.append(interval(entry[key], form=magnitude))
        rows.append(Row(tuple(cells), line.kind, line.group))
    notes = (
        "Value of an episode's first state minus the discounted return that then followed, unsolved"
        " episodes beyond their step limit: its mean (bias) and the mean of its magnitude (abs."
        " error), in units of that return.",
    )
    title = "Value estimates against true returns"
    return Table("values", title, tuple(columns), tuple(rows), notes)


def model_error_table(summary: Mapping[str, Any]) -> Table:
    """Prediction error at the longest common horizon."""
    columns = [Column("mean squared error", "l"), Column("horizon")]
    for label in summary["labels"]:
        columns += [Column(MEAN, group=label), Column("95 % seeds", group=label)]
    rows = []
    for line in lines(summary):
        if line.kind == "overall":
            continue
        entries = [line.entry(summary["agents"][label]) for label in summary["labels"]]
        horizons = sorted({int(e["horizon"]) for e in entries if e and e.get("horizon")})
        cells = [Cell(line.name), Cell(span(horizons))]
        for label, entry in zip(summary["labels"], entries, strict=True):
            if entry is None or entry["mean"] is None:
                cells += [Cell("not run", muted=True), Cell()]
                continue
            std = "" if entry["std"] is None else f" ± {magnitude(entry['std'])}"
            anchor = line_anchor(summary, line, label)
            mean = Cell(magnitude(entry["mean"]), std, anchor=anchor)
            cells += [mean, interval(entry, form=magnitude)]
        rows.append(Row(tuple(cells), line.kind, line.group))
    return Table("model_error", "Open-loop prediction error", tuple(columns), tuple(rows))
