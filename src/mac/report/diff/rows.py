"""Compared rows as tables and bars, numbers of one measure in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mac.report.cells import (
    MINUS,
    Cell,
    Column,
    Row,
    Table,
    interval,
    magnitude,
    percent,
    plain,
    points,
)
from mac.report.diff.words import WORDS
from mac.stats.diff import BETTER, IDENTICAL, WORSE
from mac.stats.names import short_task
from mac.stats.sides import MEASURES, PredictionError, Rate


@dataclass(frozen=True)
class Form:
    """How numbers of one measure are printed.

    Attributes:
        title: of the table.
        scores: heading of its first column: what the values are.
        value: a value.
        change: heading of the differences.
        unit: of the differences.
        average: a pooled difference in words, before its direction.
        note: on what the values are.
    """

    title: str
    scores: str
    value: Callable[[float | None], str]
    change: str
    unit: str
    average: Callable[[float], str]
    note: str = ""


FORMS = {
    Rate.measure: Form(
        "Success rates",
        "success, %",
        percent,
        "difference",
        "percentage points",
        lambda difference: f"{percent(abs(difference))} points",
    ),
    PredictionError.measure: Form(
        "Prediction errors",
        "squared error",
        magnitude,
        "change, %",
        "percent of the earlier error",
        lambda difference: f"prediction errors {points(difference)} %,",
        "Prediction errors: geometric means over seeds of the squared error at the end of each"
        " third of the horizon; seeds are compared by logarithms, more is worse, and these rows"
        " share the error rate with all others.",
    ),
}


def table(result: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Table:
    """Rows of one measure with both means, difference, interval and verdict; pooled tests first."""
    measure = entries[0]["measure"]
    form = FORMS[measure]
    titles = ("before", "after", form.change, "95 %", "P(better)", "p, adjusted")
    columns = (
        Column(form.scores, "l"),
        Column("agent", "l"),
        Column("verdict", "l"),
        *map(Column, titles),
        Column("test, seeds", "l"),
    )
    rows = []
    several = len(result["experiments"]) > 1
    for entry in entries:
        verdict = entry["verdict"]
        word = Cell(WORDS[verdict], bold=verdict in (WORSE, BETTER), muted=verdict == IDENTICAL)
        change = (
            Cell(points(entry["difference"])),
            interval(entry, form=points),
        )
        p_value = Cell(_p_value(entry["adjusted_p_value"]))
        if "task" not in entry:
            label = f"mean of {entry['cells']} tested rows ({entry['mode']})"
            cells = (Cell(label), Cell(), word, Cell(), Cell(), *change, Cell(), p_value, Cell())
            rows.append(Row(cells, "overall"))
            continue
        cells = (
            Cell(row_name(entry, several)),
            Cell(entry["agent"]),
            word,
            Cell(form.value(entry["before"])),
            Cell(form.value(entry["after"])),
            *change,
            Cell(plain(entry["probability_of_improvement"])),
            p_value,
            Cell(f"{entry['test'] or ''} {entry['seeds_before']}/{entry['seeds_after']}".strip()),
        )
        rows.append(Row(cells, "task", entry["environment"]))
    return Table(measure.replace(" ", "-"), form.title, columns, tuple(rows))


def row_name(entry: Mapping[str, Any], with_experiment: bool) -> str:
    """A row's name as in the tables, with its experiment where there are several."""
    name = f"{entry['environment']}, {short_task(entry['task'])}"
    if entry["horizon"] is not None:
        name += f", {entry['horizon']} steps ahead"
    return f"{entry['experiment']}: {name}" if with_experiment else name


def _p_value(value: float | None) -> str:
    if value is None:
        return MINUS
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def bars(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, float] | None]:
    """Each row's interval and difference on a scale from 0 to 100, 50 being no change."""
    entries = list(entries)
    ends = [abs(e[key]) for e in entries for key in ("ci_low", "ci_high") if e[key] is not None]
    reach = max([0.05, *ends])

    def place(value: float) -> float:
        return round(50.0 + 50.0 * value / reach, 1)

    return [
        None
        if entry["ci_low"] is None
        else {
            "low": place(entry["ci_low"]),
            "high": place(entry["ci_high"]),
            "at": place(entry["difference"]),
        }
        for entry in entries
    ]


def by_measure(entries: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Entries that stand in one table, since their numbers are of one kind."""
    groups = [[entry for entry in entries if entry["measure"] == name] for name in MEASURES]
    return [group for group in groups if group]
