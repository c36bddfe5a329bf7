"""What a table consists of, whatever it looks like, and how numbers are written in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

MINUS = "−"
SAME = "°"  # marks an interval that rests on episodes because all seeds agree
MEAN = "mean ± std"

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """What a cell says: ``text`` bold or not, then ``rest``; ``muted`` for what is no result.

    For pages only: ``share`` in [0, 1] shades the cell, ``anchor`` is where it leads to, ``tag``
    says that its text is one of a few words that are told apart at a glance.
    """

    text: str = ""
    rest: str = ""
    bold: bool = False
    muted: bool = False
    share: float | None = None
    anchor: str = ""
    tag: bool = False

    @property
    def plain(self) -> str:
        """The whole cell without emphasis."""
        return f"{self.text}{self.rest}"


@dataclass(frozen=True)
class Column:
    """A column: its title, its alignment (``l`` or ``r``), and the agent it belongs to, if any."""

    title: str
    align: str = "r"
    group: str = ""

    @property
    def is_interval(self) -> bool:
        """Whether it holds intervals of the column before it."""
        return self.title.startswith("95 %")


@dataclass(frozen=True)
class Row:
    """Cells under the table's columns; ``kind`` is task, mean (of an environment) or overall."""

    cells: tuple[Cell, ...]
    kind: str = "task"
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its title and notes of its own."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())


def condensed(table: Table) -> Table:
    """``table`` without intervals that no row has; a note names them and says why."""
    said: dict[str, set[str]] = {}
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if column.is_interval and cell.text:
                said.setdefault(column.title, set()).add(cell.text if cell.muted else "")
    dropped = {title: " or ".join(sorted(why)) for title, why in said.items() if "" not in why}
    if not dropped:
        return table
    kept = [i for i, column in enumerate(table.columns) if column.title not in dropped]
    whys = dict.fromkeys(dropped.values())
    lists = (f"{why}: {', '.join(t for t in dropped if dropped[t] == why)}" for why in whys)
    return replace(
        table,
        columns=tuple(table.columns[i] for i in kept),
        rows=tuple(replace(row, cells=tuple(row.cells[i] for i in kept)) for row in table.rows),
        notes=(f"Not shown, {'; '.join(lists)}.", *table.notes),
    )


def percent(value: float | None) -> str:
    """A rate as percent with one decimal."""
    return "" if value is None else _signed(f"{100 * value:.1f}")


def points(value: float | None) -> str:
    """A difference of rates in percentage points, with its sign."""
    return "" if value is None else _signed(f"{100 * value:+.1f}")


def magnitude(value: float | None) -> str:
    """A number of unknown size with three significant digits."""
    return "" if value is None else _signed(f"{value:.3g}")


def plain(value: float | None) -> str:
    """A number between 0 and 1 with two decimals."""
    return "" if value is None else f"{value:.2f}"


def chance(value: float | None) -> str:
    """A p-value with two significant digits."""
    return "" if value is None else f"{value:.2g}".replace("-", MINUS)


def _signed(text: str) -> str:
    if text.strip("-+0.") == "":
        text = text.lstrip("-+")
    return text.replace("-", MINUS)


def interval(
    entry: Entry, prefix: str = "ci", form: Callable[[float | None], str] = percent
) -> Cell:
    """An interval's two ends, or why there are none."""
    low, high = entry.get(f"{prefix}_low"), entry.get(f"{prefix}_high")
    if low is None or high is None:
        return Cell(entry.get(f"{prefix}_reason") or MINUS, muted=True)
    mark = SAME if entry.get(f"{prefix}_reason") else ""
    return Cell(f"[{form(low)}, {form(high)}]{mark}")


def span(numbers: Sequence[int]) -> str:
    """The smallest and the largest of sorted numbers; one of them if they are the same."""
    return "–".join(map(str, dict.fromkeys((numbers[0], numbers[-1])))) if numbers else ""


def count(number: int, noun: str) -> str:
    """A number and what it counts."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
