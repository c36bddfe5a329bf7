"""Fills the templates beside this file, by what their names end in."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import jinja2

from mac.report import formats

# LaTeX has markers of its own for its braces.
_LATEX = {
    "block_start_string": "<%",
    "block_end_string": "%>",
    "variable_start_string": "<<",
    "variable_end_string": ">>",
    "comment_start_string": "<#",
    "comment_end_string": "#>",
}


def fill(name: str, content: Mapping[str, Any]) -> str:
    """A template such as ``table.md.j2``, filled; in HTML all content is escaped.

    HTML templates also get ``style``, the style sheet.
    """
    kind = name.split(".")[-2]
    environment = jinja2.Environment(
        autoescape=kind == "html",
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **(_LATEX if kind == "tex" else {}),
    )
    environment.filters |= {
        "body": formats.body_of,
        "code": formats.code,
        "inert": formats.inert,
        "latex": formats.latex,
        "latex_cell": formats.latex_cell,
        "latex_spans": formats.latex_spans,
        "markdown": formats.markdown_table,
        "spans": formats.spans,
        "titles": formats.titles,
        "wrap": formats.wrap,
    }
    style = jinja2.utils.markupsafe.Markup(_template("table.css"))
    text = environment.from_string(_template(name)).render({"style": style, **content})
    return text.strip() + "\n"


def _template(name: str) -> str:
    return resources.files("mac.report").joinpath("templates", name).read_text()
