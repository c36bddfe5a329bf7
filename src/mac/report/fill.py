"""Fills the templates beside this file, by what their names end in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

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

    HTML templates also get ``style`` and ``script``, which are our own, and ``policy``, by which a
    browser runs that script alone and loads nothing from elsewhere.
    """
    kind = name.split(".")[-2]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mac.report", "templates"),
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
    own = _own(environment) if kind == "html" else {}
    return environment.get_template(name).render({**own, **content}).strip() + "\n"


def _own(environment: jinja2.Environment) -> dict[str, Any]:
    style, script = (_source(environment, name) for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline';"
        f" script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return {"style": Markup(style), "script": Markup(script), "policy": policy}


def _source(environment: jinja2.Environment, name: str) -> str:
    return environment.loader.get_source(environment, name)[0]
