"""The report in a real browser: nothing to complain about, everything there, readable, sortable."""

import re

import pytest

from mac.report.fill import fill
from mac.report.render import RenderConfig, render
from tests.unit.report.browser import Browser, chromium
from tests.unit.report.summaries import built

in_chromium = pytest.mark.skipif(chromium() is None, reason="needs chromium")

HOSTILE = '<img src=x onerror="window.hacked=1">\'&{}|'
RATES = {"mac": 0.6, "flow_bc": 0.2, HOSTILE: 0.4}
SHAPES = {"desk": {}, "dark": {"dark": True}, "phone": {"width": 360, "height": 740}}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = built(
        tmp_path_factory.mktemp("report"),
        RATES,
        environments=("cube-single", "scene"),
        seeds=4,
        episodes=5,
        steps=(100, 200),
        baseline="flow_bc",
    )
    render(folder, RenderConfig(HOSTILE, f"</style></script>{HOSTILE}"), fingerprint="r")
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@in_chromium
@pytest.mark.parametrize("shape", SHAPES)
def test_it_opens_without_a_complaint_and_fits_the_window(browser, page, shape):
    browser.complaints.clear()
    browser.open(page, **SHAPES[shape])
    assert browser.value("document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.value("window.hacked") is None
    assert browser.value("document.querySelector('h1').textContent") == HOSTILE
    assert browser.complaints == []


@in_chromium
def test_complaints_are_heard(browser, tmp_path):
    path = tmp_path / "bad.html"
    path.write_text("<script>missing()</script><img src='absent.png'>")
    browser.complaints.clear()
    browser.open(path)
    browser.value("0")
    assert len(browser.complaints) >= 2
    browser.complaints.clear()


@in_chromium
def test_every_drawing_is_there(browser, page):
    browser.open(page)
    sizes = browser.value(
        "[...document.querySelectorAll('figure svg')].map(one => {"
        " const box = one.getBoundingClientRect(); return [box.width, box.height]; })"
    )
    assert len(sizes) == 3 and all(width > 300 and height > 150 for width, height in sizes)
    empty = browser.value(
        "[...document.querySelectorAll('svg use')].filter(one => !document.querySelector("
        "one.getAttribute('href'))).length"
    )
    assert empty == 0


ROWS = "[...document.querySelector('#comparisons-table').tBodies[0].rows]"


def column(browser, index):
    return browser.value(f"{ROWS}.map(row => row.cells[{index}].textContent)")


def click(browser, index):
    title = f"document.querySelector('#comparisons-table').tHead.rows[0].cells[{index}]"
    browser.value(f"{title}.querySelector('button').click()")
    return browser.value(f"{title}.getAttribute('aria-sort')")


def number(text):
    found = re.match(r"[\[<]?([-+]?[\d.]+)", text.replace("−", "-"))
    return float(found.group(1)) if found else None


@in_chromium
def test_a_click_sorts_by_number_a_third_restores(browser, page):
    browser.open(page)
    before = column(browser, 0)
    for place in (2, 3):  # a number, and an interval by its lower end
        assert click(browser, place) == "ascending"
        values = [number(text) for text in column(browser, place)]
        assert None not in values and values == sorted(values) and len(set(values)) > 3
        assert click(browser, place) == "descending"
        values = [number(text) for text in column(browser, place)]
        assert values == sorted(values, reverse=True)
        assert click(browser, place) == "none"
        assert column(browser, 0) == before
    click(browser, 1)
    assert column(browser, 1) == sorted(column(browser, 1))


@in_chromium
def test_every_button_says_what_it_sorts_by(browser, page):
    browser.open(page)
    names = browser.value("[...document.querySelectorAll('button')].map(b => b.textContent.trim())")
    assert len(names) > 20 and all(names)


@in_chromium
def test_what_has_no_number_comes_last_either_way(browser, page):
    browser.open(page)
    table = "document.querySelector('#improvement-table')"
    for _ in range(2):
        browser.value(f"{table}.tHead.rows[0].cells[1].querySelector('button').click()")
        texts = browser.value(f"[...{table}.tBodies[0].rows].map(r => r.cells[1].textContent)")
        assert texts[-1] == "−"


@in_chromium
def test_a_number_leads_to_its_trace(browser, page):
    browser.open(page)
    browser.value("document.querySelector('#scores-table td a').click()")
    assert browser.value("document.querySelector(':target').textContent").count("mac trace") == 1
    top = browser.value("document.querySelector(':target').getBoundingClientRect().top")
    assert 0 <= top < 900


@in_chromium
def test_dark_figures_are_drawn_in_light_ink(browser, page):
    browser.open(page, dark=True)
    ground = browser.value("getComputedStyle(document.body).backgroundColor")
    fills = browser.value(
        "[...document.querySelectorAll('figure svg g[id*=text] > g')]"
        ".map(one => getComputedStyle(one).fill)"
    )
    assert fills and all(contrast(rgb(one), rgb(ground)) >= 4.5 for one in fills)


def rgb(text):
    return tuple(int(value) for value in re.findall(r"\d+", text)[:3])


def contrast(one, other):
    """Ratio of two colours' luminances, as WCAG 2 defines it."""

    def luminance(colour):
        parts = [value / 255 for value in colour]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def themes():
    """Colours of the style sheet by name, light and dark."""
    style = fill("report.html.j2", EMPTY).split("<style>")[1].split("</style>")[0]
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in sheets(style))
    return [light, light | dark]


def sheets(style):
    light, _, rest = style.partition("@media (prefers-color-scheme: dark)")
    return light, rest.partition("* {")[0]


EMPTY = {
    **dict.fromkeys(("title", "experiment", "caption"), ""),
    **dict.fromkeys(("sections", "facts", "traces", "labels", "notes"), ()),
    "figures": {},
    "verdicts": {},
}


def mixed(one, other, share):
    return tuple(share * a + (1 - share) * b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("theme", [0, 1])
def test_text_stands_out_from_its_ground(theme):
    names = themes()[theme]
    colours = {k: tuple(int(v[i : i + 2], 16) for i in (1, 3, 5)) for k, v in names.items()}
    pairs = [(text, "paper") for text in ("ink", "soft", "mark")]
    pairs += [(text, "faint") for text in ("ink", "soft", "mark")]
    pairs += [(kind, f"{kind}-ground") for kind in ("good", "bad", "open")]
    assert len(colours) > 15
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    shade = mixed(colours["mark"], colours["paper"], 0.4)  # of a cell at its fullest
    assert contrast(colours["ink"], shade) >= 4.5


@pytest.mark.parametrize("theme", [0, 1])
def test_agents_stand_out_from_the_ground(theme):
    names = themes()[theme]
    colours = {k: tuple(int(v[i : i + 2], 16) for i in (1, 3, 5)) for k, v in names.items()}
    for place in range(7):
        assert contrast(colours[f"agent-{place}"], colours["paper"]) >= 3.0
