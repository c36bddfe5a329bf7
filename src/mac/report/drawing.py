"""A figure's SVG as part of a page: colours follow the page's, names do not clash, no comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from markupsafe import Markup

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_LINK = re.compile(r"#(?=[\w.-]+\)?$)")


def inline(svg: bytes, name: str, alt: str, colours: Mapping[str, str]) -> Markup:
    """The SVG as an element of an HTML page.

    Args:
        svg: a file that matplotlib wrote.
        name: put before every id of the drawing, so that two drawings do not share one.
        alt: what the drawing shows, in words.
        colours: CSS variable, such as ``--ink``, for each colour (#rrggbb, lower case) that the
            page's light and dark themes set.
    """
    root = ElementTree.fromstring(svg)  # drops comments, which hold the drawing's texts
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{SVG}metadata":
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        if HREF in element.attrib:
            element.set("href", element.attrib.pop(HREF))
        for key, value in element.attrib.items():
            element.set(key, _rewritten(key, value, name, colours))
    width = float(root.get("viewBox", "0 0 0 0").split()[2])
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", alt)
    root.set("style", f"--width: {width * 4 / 3:g}px")  # points to pixels
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _rewritten(key: str, value: str, name: str, colours: Mapping[str, str]) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href" or value.startswith("url(#"):
        return _LINK.sub(f"#{name}-", value, count=1)
    if key in ("style", "fill", "stroke"):
        return _COLOUR.sub(lambda found: _themed(found.group(), colours), value)
    return value


def _themed(colour: str, colours: Mapping[str, str]) -> str:
    return f"var({colours[colour]})" if colour in colours else colour
