import re

import pytest

from mac.report.cells import MEAN, Cell, Column, Row, Table
from mac.report.formats import body_of, latex, latex_cell, latex_spans, markdown_table, titles, wrap

BOLD = Cell("56.0", " ± 2.8", bold=True)
TABLE = Table(
    "t",
    "A table",
    (
        Column("success, %", "l"),
        Column(MEAN, "r", "mac"),
        Column("95 % seeds", "r", "mac"),
        Column(MEAN, "r", "flow_bc"),
        Column("95 % seeds", "r", "flow_bc"),
        Column("paper", "r", "flow_bc"),
    ),
    (
        Row(
            (Cell("task 1"), Cell("56.0", " ± 2.8", bold=True), *map(Cell, ["[1, 2]", "9", "", ""]))
        ),
        Row((Cell("task 1"), *map(Cell, ["a|b", "too few seeds", "100.0", "", "99 ± 2"]))),
    ),
)


def test_pipes_line_up():
    lines = markdown_table(TABLE).splitlines()
    assert len({len(line) for line in lines}) == 1
    positions = [[m.start() for m in re.finditer(r"(?<!\\)\|", line)] for line in lines]
    assert all(p == positions[0] for p in positions)


def test_markdown_says_what_each_column_is_in_one_line():
    header, rule, first, second = markdown_table(TABLE).splitlines()
    cells = [cell.strip() for cell in header.strip("|").split("|")]
    assert cells == ["success, %", "mac", "95 % seeds", "flow_bc", "95 % seeds", "flow_bc paper"]
    assert re.fullmatch(r"\| -+ \|( -+: \|){5}", rule)
    assert "**56.0** ± 2.8" in first
    assert r"a\|b" in second and second.startswith("|  ")  # a repeated name is left out


def test_markdown_is_a_table_for_a_parser():
    markdown_it = pytest.importorskip("markdown_it")
    html = markdown_it.MarkdownIt("commonmark").enable("table").render(markdown_table(TABLE))
    assert html.count("<tr>") == 3 and "<strong>56.0</strong> ± 2.8" in html and "a|b" in html


def test_the_header_has_two_lines_where_agents_span_columns():
    spans, rules = latex_spans(TABLE)
    assert spans == (
        r"\multicolumn{1}{c}{} & \multicolumn{2}{c}{mac} & \multicolumn{3}{c}{flow\_bc} \\"
    )
    assert rules == r"\cmidrule(lr){2-3} \cmidrule(lr){4-6}"
    assert titles(TABLE)[:2] == ["success, %", MEAN]
    narrow = Table("t", "", (Column("x", "l"), Column(MEAN, "r", "mac")), ())
    assert latex_spans(narrow) == [] and titles(narrow) == ["x", "mac"]


def test_repeated_names_are_left_out_but_not_elsewhere():
    first, second = body_of(TABLE)
    assert first[0].plain == "task 1" and second[0].plain == ""
    assert TABLE.rows[1].cells[0].plain == "task 1"


def test_latex_reads_nothing_as_a_command():
    assert latex("a_b & 5 % of $x # {y} ~z^2") == (
        r"a\_b \& 5 \% of \$x \# \{y\} \textasciitilde{}z\textasciicircum{}2"
    )
    assert latex("\\input{x}") == r"\textbackslash{}input\{x\}"
    assert latex("1 ± 2 − 3 ≥ 0°†") == r"1 $\pm$ 2 $-$ 3 $\geq$ 0$^\circ$$^\dagger$"
    assert latex_cell(Cell("5", " ± 1", bold=True)) == r"\textbf{5} $\pm$ 1"
    assert latex("größe τ\n") == "größe [U+03C4][U+000A]"
    plain = latex("".join(map(chr, range(32, 127))))
    assert not re.search(r"(?<!\\)[%&#_]", plain)


def test_wrapping_keeps_words_and_indents():
    text = wrap("word " * 60, "- ")
    assert all(len(line) <= 100 for line in text.splitlines())
    assert text.startswith("- word") and text.splitlines()[1].startswith("  word")
    assert wrap("an  odd\n text") == "an odd text"
