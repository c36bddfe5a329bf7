"""Text forms of a table: aligned Markdown, and what LaTeX needs escaped."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from itertools import groupby

from mac.report.cells import MEAN, Cell, Column, Table

WIDTH = 100
LATIN = "\u00ff"  # the last character that LaTeX prints without further packages

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "–": "--",
    "°": r"$^\circ$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "\u202f": r"\,",
    "\u00a0": "~",
}


def latex(text: str) -> str:
    """``text`` with everything escaped that LaTeX would read as a command or does not know."""
    return "".join(_LATEX.get(c, c if c.isprintable() and c <= LATIN else _named(c)) for c in text)


def _named(character: str) -> str:
    """A character that LaTeX has no glyph for, by its number."""
    return f"[U+{ord(character):04X}]"


def latex_cell(cell: Cell) -> str:
    """A cell in LaTeX."""
    text = latex(cell.text)
    if cell.bold:
        text = rf"\textbf{{{text}}}"
    return text + latex(cell.rest)


def _markdown_cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.bold else cell.text
    return inert(text + cell.rest).replace("|", r"\|")


def inert(text: str) -> str:
    """``text`` without anything that Markdown would pass on as a tag of HTML."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)


def markdown_table(table: Table) -> str:
    """A pipe table whose columns line up in a terminal; repeated row names are left out."""
    titles = [inert(_title(column, table.columns)).replace("|", r"\|") for column in table.columns]
    body = [[_markdown_cell(cell) for cell in row] for row in body_of(table)]
    widths = [
        max(3, *(len(line[i]) for line in [titles, *body])) for i in range(len(table.columns))
    ]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if column.align == "l" else cell.rjust(width)
            for cell, width, column in zip(cells, widths, table.columns, strict=True)
        ]
        return "| " + " | ".join(padded) + " |"

    rule = [
        "-" * width if column.align == "l" else "-" * (width - 1) + ":"
        for width, column in zip(widths, table.columns, strict=True)
    ]
    return "\n".join([line(titles), line(rule), *map(line, body)])


def _title(column: Column, columns: Sequence[Column]) -> str:
    """The title of a column where one line must do: an agent's mean bears the agent's name."""
    text = column.title
    if column.group and text == MEAN:
        text = column.group
    elif column.group and not column.is_interval:  # intervals follow what they are of
        text = f"{column.group} {text}"
    return text


def code(text: object) -> str:
    """A Markdown code span of one line, whatever the text holds."""
    line = " ".join(str(text).replace("`", "'").split())
    return f"`{line}`" if line else ""


def body_of(table: Table) -> list[list[Cell]]:
    """The rows' cells without row names that repeat the one above."""
    found = []
    previous = None
    for row in table.rows:
        name, *rest = row.cells
        found.append([Cell() if name == previous else name, *rest])
        previous = name
    return found


def spans(table: Table) -> list[tuple[str, int]]:
    """Upper line of a header of two: agents and the columns each spans; empty if one line does."""
    groups = [(group, len(list(same))) for group, same in groupby(table.columns, _group)]
    if not any(group and count > 1 for group, count in groups):
        return []
    return groups


def titles(table: Table) -> list[str]:
    """Lower line of the header, or the only one."""
    if spans(table):
        return [column.title for column in table.columns]
    return [_title(column, table.columns) for column in table.columns]


def _group(column: Column) -> str:
    return column.group


def latex_spans(table: Table) -> list[str]:
    """The header's upper line and the rules below it, in LaTeX."""
    if not (found := spans(table)):
        return []
    cells, rules, start = [], [], 1
    for group, count in found:
        cells.append(rf"\multicolumn{{{count}}}{{c}}{{{latex(group)}}}")
        if group:
            rules.append(rf"\cmidrule(lr){{{start}-{start + count - 1}}}")
        start += count
    return [" & ".join(cells) + r" \\", " ".join(rules)]


def wrap(text: str, indent: str = "") -> str:
    """Lines of at most 100 columns; ``indent`` begins the first, spaces the others."""
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_on_hyphens=False,
        break_long_words=False,
    )
