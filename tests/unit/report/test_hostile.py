"""Names that are HTML, SVG or scripts, shown by a real browser: text they are, text they stay."""

import dataclasses

import pytest

from mac.report.diff.compare import compare
from mac.report.diff.render import render as rendered
from mac.report.render import RenderConfig, render
from mac.revisions import Folder
from mac.rng import stream
from mac.stats.aggregate import aggregate
from tests.unit.report.browser import Browser, chromium
from tests.unit.stats.rows import episode_rows, make_run, save

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="needs chromium"),
    pytest.mark.filterwarnings("ignore:constrained_layout not applied"),  # names of a page's width
]

RUN = "window.hacked=1"
HOSTILE = (
    f"<script>{RUN}</script>",
    f'"><img src=x onerror="{RUN}">',
    f"' onfocus='{RUN}' autofocus tabindex=0 x='",
    f'" onmouseover="{RUN}" style="position:fixed;inset:0',
    f"</script></style></title></textarea><svg onload={RUN}>",
    f"--><svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"]]><iframe srcdoc='<script>parent.{RUN}</script>'>",
    f"javascript:{RUN}",
    f"{{{{ 7 * 7 }}}}{{% raw %}}$\\{{{RUN}}}$ &lt;b&gt; &#60;b&#62;",
    f"<math><mtext><table><mglyph><style><!--</style><img src onerror={RUN}>",
)
PLAIN = tuple(f"name {index}" for index in range(len(HOSTILE)))
# Every element and the names of its attributes, in order. What links lead to is an attribute.
SKELETON = """[...document.querySelectorAll('*')].filter(one => !one.closest('svg'))
    .map(one => [one.tagName, ...one.getAttributeNames().sort()].join(' '))"""
DRAWN = "[...document.querySelectorAll('script, foreignObject, iframe, image, a, animate')].length"
ANCHORS = "[...document.querySelectorAll('a[href]')].map(one => one.getAttribute('href'))"
EVENTS = """for (const one of document.querySelectorAll('*'))
    for (const kind of ['mouseover', 'focus', 'click', 'load', 'error'])
        one.dispatchEvent(new Event(kind))"""


def written(root, names, rate):
    """Pages that bear the names: the report, its table alone, and what has changed since."""
    labels, (environment, *tasks), (title, caption, lacking, reason) = (
        names[:3],
        names[3:6],
        names[6:],
    )
    runs = []
    for label in labels:
        for number, task in enumerate(tasks):
            for seed in range(2):
                run = make_run(label, task, seed, environment=environment, episodes=8)
                path = f"results/stages/{number}/evaluate-{labels.index(label)}/seed{seed}"
                run = dataclasses.replace(run, path=f"{path}/episodes.parquet")
                draws = stream(seed, "hostile", str(number), str(labels.index(label)))
                save(root, run, episode_rows(run, rate, draws))
                runs.append(run)
    folder = root / "results" / "quick"
    own = {"fingerprint": "rows", "root": root, "no_data": {lacking: reason}}
    aggregate(runs, folder, experiment="quick", **own)
    render(folder, RenderConfig(title, caption), fingerprint="r")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages of the same numbers under plain names and under hostile ones, by file."""
    root = tmp_path_factory.mktemp("hostile")
    found = {}
    for kind, names in (("plain", PLAIN), ("hostile", HOSTILE)):
        for version, rate in (("before", 0.2), ("after", 0.7)):
            written(root / kind / version, names, rate)
        before, after = (Folder(root / kind / name, names[6]) for name in ("before", "after"))
        folder = root / kind / "after/results/quick"
        (folder / "diff.html").write_text(rendered(compare(before, after, ()), "html"))
        found[kind] = folder
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser that heeds no policy of a page: what is escaped needs none."""
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        browser.call("Page.setBypassCSP", enabled=True)
        yield browser


@pytest.mark.parametrize("name", ["report.html", "table.html", "diff.html"])
def test_no_name_runs_or_breaks_out_of_its_element(browser, pages, name):
    found = {}
    for kind, folder in pages.items():
        browser.complaints.clear()
        browser.open(folder / name)
        browser.value(EVENTS)
        assert browser.value("window.hacked") is None
        assert browser.complaints == []
        assert all(one.startswith("#") for one in browser.value(ANCHORS))
        found[kind] = browser.value(SKELETON)
    assert len(found["hostile"]) > 20
    assert found["hostile"] == found["plain"]
    text = browser.value("document.body.textContent")
    assert all(" ".join(label.split()) in " ".join(text.split()) for label in HOSTILE[:3])


def test_no_drawing_runs_what_it_shows(browser, pages):
    drawings = sorted((pages["hostile"] / "figures").glob("*.svg"))
    assert len(drawings) >= 2
    for drawing in drawings:
        browser.complaints.clear()
        browser.open(drawing)
        assert browser.value("document.documentElement.tagName") == "svg"
        assert browser.value(DRAWN) == 0
        assert browser.value("window.hacked") is None and browser.complaints == []


def test_an_unescaped_name_would_be_seen(browser, tmp_path):
    path = tmp_path / "bad.html"
    for name in HOSTILE[:2]:
        path.write_text(f"<body>{name}")
        browser.open(path)
        browser.value("0")
        assert browser.value("window.hacked") == 1
        browser.complaints.clear()
