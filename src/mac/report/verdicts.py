"""Whether our numbers agree with the paper's: one verdict a cell, and the table that shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mac.report.cells import Cell, Column, Entry, Row, Table, interval, percent, points
from mac.report.claims import Claim, Claims
from mac.report.lines import Line, line_anchor, lines

BAND = 10.0  # percentage points on either side of the paper's mean that count as agreement

AGREES, DIFFERS, UNDECIDED = "agrees", "differs", "undecided"
NOT_COMPARABLE, NOT_RUN = "not comparable", "not run"
VERDICTS = (AGREES, DIFFERS, UNDECIDED, NOT_COMPARABLE, NOT_RUN)


@dataclass(frozen=True)
class Verdict:
    """One of ``VERDICTS``, and why where the word alone does not say it."""

    word: str
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """A number of the paper beside ours.

    ``label`` and ``entry`` are None where no agent of the experiment stands for the column.
    """

    line: Line
    claim: Claim
    name: str
    label: str | None
    entry: Entry | None
    verdict: Verdict


def judge(claim: Claim, entry: Entry | None, differences: Sequence[str]) -> Verdict:
    """The verdict on one cell.

    The seed-level 95 % interval decides, against the paper's mean ± ``BAND``: inside it agrees,
    apart from it differs. The paper's own spread plays no part, since what it is over is not known.

    Args:
        claim: the paper's number.
        entry: our statistics of the same mean, None where nothing ran.
        differences: what in data, protocol or tuning differs from the paper.
    """
    if entry is None or entry["mean"] is None:
        return Verdict(NOT_RUN, entry["ci_reason"] if entry else "")
    if differences:
        return Verdict(NOT_COMPARABLE, "; ".join(differences))
    if entry["ci_low"] is None:
        return Verdict(UNDECIDED, entry["ci_reason"])
    low, high = 100 * entry["ci_low"], 100 * entry["ci_high"]
    bottom, top = claim.mean - BAND, claim.mean + BAND
    if bottom <= low and high <= top:
        return Verdict(AGREES)
    if high < bottom or low > top:
        return Verdict(DIFFERS)
    return Verdict(UNDECIDED, "the interval crosses the band's border")


def comparisons(
    summary: Mapping[str, Any], claims: Claims | None, settings: Sequence[Mapping[str, Any]]
) -> list[Comparison]:
    """Every number that the paper has for the environments of an experiment, beside ours.

    Args:
        summary: content of ``summary.json``.
        claims: the paper's numbers, or None.
        settings: ``label``, ``environment``, ``mode`` and resolved ``config`` of each cell.
    """
    return list(_comparisons(summary, claims, settings)) if claims else []


def _comparisons(
    summary: Mapping[str, Any], claims: Claims, settings: Sequence[Mapping[str, Any]]
) -> Iterator[Comparison]:
    groups = {group["name"]: group for group in summary["environments"]}
    configs = {(s["label"], s["environment"], s["mode"]): s["config"] for s in settings}
    for line in lines(summary, with_tasks=False):
        if line.level != "environments":
            continue
        environment, mode = (groups[line.key][key] for key in ("environment", "mode"))
        for key, column in claims.columns.items():
            if (claim := claims.at(environment, key, line.tasks)) is None:
                continue
            for label in [one for one in summary["labels"] if one in column.labels] or [None]:
                entry = line.entry(summary["agents"][label]) if label else None
                config = configs.get((label, environment, mode))
                if config is None:
                    differences = ["our settings are not known"]
                else:
                    differences = claims.differences(key, config)
                if line.tasks != claims.tasks:
                    differences.append(f"tasks {line.tasks}, paper {claims.tasks}")
                verdict = judge(claim, entry, differences)
                yield Comparison(line, claim, column.name, label, entry, verdict)


def paper_table(summary: Mapping[str, Any], compared: Sequence[Comparison]) -> Table | None:
    """The paper's numbers beside those of our agents, with a verdict each; None without any."""
    ours = [one for one in compared if one.label]
    if not ours:
        return None
    titles = (("agent", "l"), ("ours", "r"), ("95 % seeds", "r"), ("paper", "r"))
    titles += (("difference", "r"), ("verdict", "l"), ("because", "l"))
    columns = (Column("success, %", "l"), *(Column(*title) for title in titles))
    rows = []
    for one in ours:
        verdict, entry = one.verdict, one.entry
        numbers = [Cell(), Cell(), Cell(one.claim.text), Cell()]
        if entry and entry["mean"] is not None:
            difference = points(entry["mean"] - one.claim.mean / 100)
            anchor = line_anchor(summary, one.line, one.label)
            numbers = [Cell(percent(entry["mean"]), anchor=anchor), interval(entry)]
            numbers += [Cell(one.claim.text), Cell(difference)]
        named = Cell(verdict.word, bold=verdict.word in (AGREES, DIFFERS), tag=True)
        cells = (Cell(one.line.name), Cell(one.label), *numbers, named, Cell(_short(verdict.why)))
        rows.append(Row(cells, "mean", one.line.group))
    notes = (
        f"agrees: our 95 % interval over seeds lies within ±{BAND:g} points of the paper's mean;"
        " differs: it lies outside of that band; undecided: it crosses the border, or there are too"
        " few seeds for one; not comparable: data, protocol or tuning differ from the paper's.",
    )
    return Table("paper", "Beside the paper", columns, tuple(rows), notes)


def not_run_table(compared: Sequence[Comparison]) -> Table | None:
    """The paper's numbers on the same environments for which nothing ran; None without any."""
    absent = [one for one in compared if one.label is None]
    if not absent:
        return None
    names = list(dict.fromkeys(one.name for one in absent))
    columns = (Column("paper's success, %", "l"), *map(Column, names))
    rows = []
    for line in dict.fromkeys(one.line for one in absent):
        texts = {one.name: one.claim.text for one in absent if one.line == line}
        cells = (Cell(line.name), *(Cell(texts.get(name, ""), muted=True) for name in names))
        rows.append(Row(cells, "mean", line.group))
    return Table("not_run", "In the paper, not run here", columns, tuple(rows))


def _short(differences: str) -> str:
    """The first few of many differences; all are in ``table.csv``."""
    first, *rest = differences.split("; ")
    return f"{first} and {len(rest)} more" if len(rest) > 1 else differences


def counted(compared: Sequence[Comparison]) -> dict[str, int]:
    """How many cells have each verdict, in the order of ``VERDICTS``; those with none left out."""
    words = [one.verdict.word for one in compared]
    return {word: words.count(word) for word in VERDICTS if word in words}
