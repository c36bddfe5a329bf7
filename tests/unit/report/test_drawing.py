import io
import re

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from mac.report.drawing import inline

HOSTILE = '--><script>alert("1")</script>'


@pytest.fixture(scope="module")
def svg():
    with mpl.rc_context({"svg.hashsalt": "x"}):
        figure = Figure()
        axis = figure.subplots()
        axis.plot([0, 1], [0, 1], "o", color="#0072b2", label=HOSTILE)
        axis.set_title(HOSTILE)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def test_names_are_its_own_and_every_link_has_its_target(svg):
    one, two = (inline(svg, name, "x", {}) for name in ("one", "two"))
    names = [re.findall(r'\bid="([^"]+)"', text) for text in (one, two)]
    assert names[0] and not set(names[0]) & set(names[1])
    links = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', one)
    assert len(links) > 5 and {a or b for a, b in links} <= set(names[0])


def test_colours_follow_the_page(svg):
    text = inline(svg, "x", "x", {"#0072b2": "--agent-0", "#ffffff": "--paper"})
    assert "#0072b2" not in text and "var(--agent-0)" in text and "var(--paper)" in text
    assert "#000000" in text  # what the page has no name for stays


def test_it_is_one_element_with_words_and_nothing_that_runs(svg):
    text = inline(svg, "x", 'a "picture" <of>', {})
    assert text.startswith("<svg") and text.endswith("</svg>")
    assert 'aria-label="a &quot;picture&quot; &lt;of&gt;"' in text and 'role="img"' in text
    assert not re.search(r"<!--|<script|<metadata|<\?xml|ns0:|xlink", text)
    assert not re.search(r'<svg[^>]*\b(width|height)="', text)
