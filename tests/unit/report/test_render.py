import base64
import csv
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mac.errors import ConfigError, DataError
from mac.io import read_json
from mac.report.render import RenderConfig, render
from mac.stamps import REVISIONS, check_stamp
from tests.unit.report.summaries import built, built_model_error

PAPER = Path(__file__).parents[3] / "configs" / "paper"
GOLDEN = Path(__file__).with_name("golden.md")
RATES = {"mac": 0.6, "flow_bc": 0.2}
CONFIG = RenderConfig("Quick comparison", "Small networks.\nNot the paper's protocol.")
FIGURES = [f"{name}.{kind}" for name in ("intervals", "profiles") for kind in ("svg", "png")]
TEXTS = ["table.md", "table.tex", "table.html", "table.csv", "report.html"]
FILES = [*FIGURES, *TEXTS, "render-r.json"]


def rendered(folder, config=CONFIG, **arguments):
    return render(folder, config, fingerprint="r", **arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = built(tmp_path_factory.mktemp("render"), RATES, seeds=4, baseline="flow_bc")
    rendered(folder)
    return folder


class Page(HTMLParser):
    """Texts of an HTML page's tables, its attributes, and whether its tags match."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self, text):
        super().__init__()
        self.open, self.tables, self.addresses, self.alts = [], [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.addresses += [attrs[name] for name in ("src", "href") if name in attrs]
        if tag == "svg":
            self.alts.append(attrs["aria-label"])
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "table" in self.open and {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


def markdown_rows(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[c.strip().replace("**", "") for c in line.strip("|").split("|")] for line in lines]


def latex_rows(text):
    body = re.findall(r"\\midrule\n(.*?)\\bottomrule", text, flags=re.DOTALL)
    rows = [line for part in body for line in part.splitlines() if line.endswith(r"\\")]
    text = [row.removesuffix(r"\\").replace(r"$\pm$", "±").replace("$-$", "−") for row in rows]
    text = [re.sub(r"\\textbf\{(.*?)\}", r"\1", row).replace(r"\_", "_") for row in text]
    return [[cell.strip() for cell in re.split(r"(?<!\\)&", row)] for row in text]


def test_it_writes_the_promised_files_and_their_stamp(folder):
    files = rendered(folder)
    assert [file.name for file in files] == FILES
    check_stamp(files[-1])
    stamp = read_json(files[-1])
    assert sorted(stamp["files"]) == sorted([f"figures/{name}" for name in FIGURES] + TEXTS)
    assert stamp["evaluations"] == read_json(folder / "built/aggregate-rows.json")["evaluations"]


def test_the_three_forms_say_the_same(folder):
    markdown = markdown_rows((folder / "table.md").read_text())
    latex = latex_rows((folder / "table.tex").read_text())
    page = Page((folder / "report.html").read_text())
    body = [row for row in markdown if row[0] != "success, %" and "---" not in row[0]]
    body = [row for row in body if row[1] not in ("agent", "agents")]
    assert latex == body
    shown = page.tables[:-2]  # cost and traces are in the report only
    html = [row for table in shown for row in table if re.match("cube-single", row[0])]
    assert [row[1:] for row in html] == [row[1:] for row in body]
    assert Page((folder / "table.html").read_text()).tables == shown
    assert "**" in (folder / "table.md").read_text()
    assert r"\textbf{" in (folder / "table.tex").read_text()
    assert "<strong>" in (folder / "report.html").read_text()


def test_the_caption_is_in_every_form(folder):
    for name in ("table.md", "table.tex", "table.html", "report.html"):
        text = (folder / name).read_text().replace("&#39;", "'")
        assert "Small networks. Not the paper's protocol." in text
        assert "Quick comparison" in text


@pytest.mark.parametrize(("name", "pictures"), [("report.html", 2), ("table.html", 0)])
def test_a_page_needs_no_network_and_every_picture_has_words(folder, name, pictures):
    text = (folder / name).read_text()
    page = Page(text)
    assert page.addresses and all(a.startswith(("#", "data:")) for a in page.addresses)
    assert not re.search(r"url\((?!#)|@import|https?://", text)
    assert len(page.alts) == pictures and all(page.alts) and "prefers-color-scheme: dark" in text


@pytest.mark.parametrize("name", ["report.html", "table.html"])
def test_every_link_on_a_page_leads_somewhere(folder, name):
    text = (folder / name).read_text()
    names = re.findall(r'\bid="([^"]+)"', text)
    assert len(names) == len(set(names))
    linked = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)
    assert {one or other for one, other in linked} <= set(names)


@pytest.mark.parametrize("name", ["report.html", "table.html"])
def test_only_our_own_script_may_run(folder, name):
    text = (folder / name).read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in text and "default-src &#39;none&#39;" in text
    assert not re.search(r"<[^>]+\son\w+=", text)


def test_every_mean_leads_to_its_runs_and_the_command_that_follows_them(folder):
    text = (folder / "report.html").read_text()
    scores = Page(text).tables[0]
    assert scores[2][0] == "cube-single, task 1"
    first = text[text.index('id="scores-table"') :]
    assert re.search(r'href="#(trace-0-0)"', first)
    trace = text[text.index('id="trace-0-0"') :].split("</tr>")[0]
    task = "cube-single-play-singletask-task1-v0"
    assert f"mac trace quick {task} mac" in trace and "fp-mac" in trace and "0, 1, 2, 3" in trace


def test_equal_inputs_give_equal_bytes(folder, tmp_path):
    before = {file.name: file.read_bytes() for file in rendered(folder)}
    assert before == {file.name: file.read_bytes() for file in rendered(folder)}
    other = built(tmp_path, RATES, seeds=4, baseline="flow_bc")
    assert before == {file.name: file.read_bytes() for file in rendered(other)}


def test_markup_in_names_and_captions_is_text(tmp_path):
    folder = built(tmp_path, {"a_<b>&": 0.5}, seeds=1)
    rendered(
        folder, RenderConfig("50 % & <i>more</i>", "see \\input{x} & $y$ <script>alert(1)</script>")
    )
    html = (folder / "report.html").read_text()
    assert html.count("<script") == 1 and "<i>" not in html and "a_&lt;b&gt;&amp;" in html
    assert "alert(1)" in html and "<b>" not in html
    markdown = (folder / "table.md").read_text()
    assert "<script" not in markdown and "<b>" not in markdown
    latex = (folder / "table.tex").read_text()
    assert r"50 \% \& \textless{}i\textgreater{}" in latex
    assert r"\textbackslash{}input\{x\} \& \$y\$" in latex and r"a\_\textless{}b" in latex


@pytest.mark.parametrize("kind", ["goal", "reward"])
def test_latex_braces_and_environments_match(tmp_path, kind):
    rates = {"mac": 0.6, "mac_gau": 0.1, "mac_fql": 0.3}
    folder = built(tmp_path, rates, environments=("scene", "cube-single"), mode=kind, seeds=1)
    rendered(folder, RenderConfig("T", "C", paper=PAPER / "ablations.yaml"))
    text = re.sub(r"\\[{}]", "", (folder / "table.tex").read_text())
    assert text.count("{") == text.count("}")
    for name in ("table", "tabular", "minipage"):
        begins, ends = (text.count(rf"\{word}{{{name}}}") for word in ("begin", "end"))
        assert begins == ends > 0
    for block in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        columns, body = block
        for line in body.splitlines():
            if line.rstrip().endswith(r"\\") and "multicolumn" not in line:
                assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1


def test_the_csv_is_the_tables_numbers_in_full(folder):
    rows = list(csv.DictReader((folder / "table.csv").open(encoding="utf-8")))
    summary = read_json(folder / "summary.json")
    assert [row["level"] for row in rows] == ["task"] * 4 + ["mean"] * 2
    entry = summary["agents"]["mac"]["tasks"]["cube-single-play-singletask-task1-v0"]
    assert rows[0]["agent"] == "mac" and float(rows[0]["mean"]) == entry["mean"]
    assert float(rows[0]["ci_low"]) == entry["ci_low"] and rows[0]["iqm_ci_low"] == ""
    printed = markdown_rows((folder / "table.md").read_text())
    assert f"{100 * float(rows[0]['mean']):.1f}" in printed[2][1]


def settings_of(label, environment, **config):
    config = {"data": {"source": "fetch", "normalizer": "validation"}, **config}
    return {"label": label, "environment": environment, "mode": "reward", "config": config}


def test_verdicts_stand_in_every_form(tmp_path):
    folder = built(tmp_path, {"mac": 0.95, "flow_bc": 0.2}, tasks=5, seeds=4, episodes=20)
    paper = PAPER / "reward_1m.yaml"
    rendered(folder, RenderConfig(paper=paper, settings=(settings_of("mac", "cube-single"),)))
    for name in ("table.md", "table.tex", "table.csv", "report.html"):
        assert "agrees" in (folder / name).read_text(), name
    html = (folder / "report.html").read_text()
    assert '<span class="tag agrees">agrees</span>' in html
    assert 'href="#paper">agrees 1</a>' in html and 'href="#paper">not run 8</a>' in html
    other = settings_of("mac", "cube-single", data={"source": "collect"})
    rendered(folder, RenderConfig(paper=paper, settings=(other,)))
    assert "data.source collect, paper fetch" in (folder / "table.md").read_text()


def test_files_changed_since_aggregation_are_not_rendered(tmp_path):
    folder = built(tmp_path, RATES, seeds=1)
    scores = folder / "scores.csv"
    scores.write_text(scores.read_text().replace("0.", "0.9"))
    with pytest.raises(DataError, match=r"scores\.csv: file differs from its stamp"):
        rendered(folder)
    assert not (folder / "table.md").exists()


def test_without_aggregation_there_is_nothing_to_render(tmp_path):
    with pytest.raises(DataError, match=r"needs exactly one stamp of aggregate"):
        rendered(tmp_path)
    folder = built(tmp_path, RATES, seeds=1)
    (folder / "built/aggregate-rows.json").unlink()
    with pytest.raises(DataError, match=r"exactly one stamp.*mac aggregate quick"):
        rendered(folder)


@pytest.mark.parametrize(
    "make", [lambda *a, **k: built(*a, RATES, seeds=1, **k), built_model_error]
)
def test_environments_without_data_stand_in_summary_and_tables(tmp_path, make):
    folder = make(tmp_path, no_data={"cube-lost": "hosted nowhere"})
    rendered(folder)
    assert read_json(folder / "summary.json")["no_data"] == {"cube-lost": "hosted nowhere"}
    for name in ("table.md", "table.tex", "table.html", "report.html"):
        text = " ".join((folder / name).read_text().split())
        assert "No data: cube-lost (hosted nowhere)." in text


def test_an_unknown_paper_is_named(tmp_path):
    folder = built(tmp_path, RATES, seeds=1)
    with pytest.raises(ConfigError, match=r"other\.yaml: no such file"):
        rendered(folder, RenderConfig(paper=PAPER / "other.yaml"))


def test_missing_runs_are_shown_and_leave_the_job_undone(tmp_path):
    folder = built(tmp_path, RATES, lose={("mac", 1)}, allow_missing=True)
    files = rendered(folder)
    assert [file.name for file in files] == FILES[:-1]
    assert "2 runs missing or failed: mac seed 1" in (folder / "table.md").read_text()
    assert not list((folder / "built").glob("render-*"))


def test_figures_of_an_older_rendering_do_not_stay(tmp_path):
    folder = built(tmp_path, RATES, seeds=1)
    stale = folder / "figures/curves.svg"
    stale.parent.mkdir()
    stale.write_text("old")
    rendered(folder)
    assert not stale.exists() and (folder / "figures/intervals.svg").exists()


def test_model_error_is_rendered(tmp_path):
    folder = built_model_error(tmp_path)
    files = rendered(folder, RenderConfig("Model error"))
    assert "model_error.svg" in [file.name for file in files]
    assert "| scene" in (folder / "table.md").read_text()
    Page((folder / "report.html").read_text())


def test_the_table_is_tied_to_the_revision(folder):
    """Whoever changes what is rendered raises mac.stamps.REVISIONS["render"] and renews golden.md.

    Then every committed table counts as to be rendered again.
    """
    text = (folder / "table.md").read_text()
    first, golden = GOLDEN.read_text().split("\n", 1)
    assert first == f"<!-- revision {REVISIONS['render']} -->", f"renew {GOLDEN.name}:\n{text}"
    assert text == golden, "raise the revision"


def test_the_table_fits_a_terminal(folder):
    lines = (folder / "table.md").read_text().splitlines()
    assert max(len(line) for line in lines if not line.startswith("|")) <= 100
    assert max(map(len, lines)) <= 140
