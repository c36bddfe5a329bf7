import html.parser
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mac.cli import main
from mac.report.cells import points
from mac.report.diff.compare import compare
from mac.report.diff.render import FORMATS, headline, render
from mac.revisions import Folder, opened
from tests.unit.stats.versions import Repository, error_version, version

GOLDEN = Path(__file__).with_name("diff.md")
BASE = {"steps": 10, "value": {"rollout_length": 10}}


def invoke(*arguments):
    """Exit code, output and errors of `mac diff`."""
    done = CliRunner().invoke(main, ["diff", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Commits `good`, `noisy` (other seeds' luck), `bad` (mac fails) and `other` (new ogbench)."""
    found = Repository(tmp_path_factory.mktemp("diff") / "repository")
    rates = {"mac": 0.9, "flow_bc": 0.3}
    common = {"name": "quick", "episodes": 20, "tasks": 2}
    found.commit("good", {"base": BASE}, rates, **common)
    found.commit("noisy", {}, rates, mark="b", **common)
    changed = {"base": {**BASE, "value": {"rollout_length": 5}}, "agents/mac": {"set": {"n": 4}}}
    found.commit("bad", changed, {**rates, "mac": 0.1}, mark="c", **common)
    found.commit("other", {}, rates, mark="d", columns={"ogbench": "1.1.3"}, **common)
    found.commit("unlike", {}, rates, mark="e", name="table2", environment="puzzle-3x3")
    found.git("rm", "-rq", "results/quick")
    found.commit("gone")
    return found


@pytest.fixture(autouse=True)
def here(repository, monkeypatch):
    monkeypatch.chdir(repository.folder)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("good", "good"), 0),
        (("good", "good", "--fail-on", "any"), 0),
        (("good", "noisy", "--fail-on", "any"), 0),
        (("good", "bad"), 0),
        (("good", "bad", "--fail-on", "worse"), 1),
        (("bad", "good", "--fail-on", "worse"), 0),
        (("bad", "good", "--fail-on", "any"), 1),
        (("good", "other"), 2),
        (("good", "gone"), 2),
        (("good", "nothing"), 2),
        (("good", "bad", "--experiment", "table2"), 2),
        (("good", "bad", "--fail-on", "often"), 2),
    ],
)
@pytest.mark.parametrize("kind", FORMATS)
def test_exit_codes(arguments, code, kind):
    found, output, errors = invoke(*arguments, "--format", kind)
    assert found == code, output + errors
    assert bool(output) != bool(errors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "mac: nothing: neither a revision nor a folder"),
        (("good", "gone"), "mac: good and gone: no row in common; found quick and table2"),
        (("good", "bad", "--experiment", "table2"), "mac: good: no results of table2; expected"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    _, _, errors = invoke(*arguments)
    assert errors.startswith(message) and errors.count("\n") == 1


def test_the_working_tree_is_the_default(repository):
    text = invoke("gone")[1]
    assert text.startswith("Identical results\ngone (") and "→ working tree: 4 rows" in text


def test_folders_compare_as_revisions_do(repository, tmp_path):
    for tag in ("good", "bad"):
        repository.git("clone", "--quiet", "--branch", tag, ".", str(tmp_path / tag))
    code, text, _ = invoke(
        str(tmp_path / "good"), str(tmp_path / "bad"), "--format", "json", "--fail-on", "worse"
    )
    _, expected, _ = invoke("good", "bad", "--format", "json")
    one, other = json.loads(text), json.loads(expected)
    assert code == 1
    for key in one.keys() - {"before", "after"}:
        assert one[key] == other[key], key


def test_json_says_it_all(repository):
    result = json.loads(invoke("good", "bad", "--format", "json")[1])
    assert result["before"] == {"name": "good", "commit": repository.git("rev-parse", "good")}
    assert [entry["verdict"] for entry in result["cells"]] == ["worse", "noise"] * 2
    assert result["config"] == [
        {
            "file": "configs/agents/mac.yaml",
            "key": "set.n",
            "before": None,
            "after": "4",
        },
        {
            "file": "configs/base.yaml",
            "key": "value.rollout_length",
            "before": "10",
            "after": "5",
        },
    ]
    assert result["recorded_after"]["commits"] == ["c" * 10 + "+"]


class Text(html.parser.HTMLParser):
    """Text of a page's table cells, list items and headings, and what it would load."""

    def __init__(self):
        super().__init__()
        self.text, self.loads = "", []

    def handle_starttag(self, tag, attrs):
        self.loads += [v for k, v in attrs if k in ("src", "href")]
        if tag in ("td", "th", "li", "p", "h1", "h2"):
            self.text += "\n"

    def handle_data(self, data):
        self.text += data


def test_formats_agree():
    """Every form says the same verdict, numbers and changes."""
    texts = {kind: invoke("good", "bad", "--format", kind)[1] for kind in FORMATS}
    page = Text()
    page.feed(texts["html"])
    assert page.loads == []
    texts["html"] = page.text
    result = json.loads(texts.pop("json"))
    entries = (*result["pooled"], *result["cells"])
    says = [headline(result), "value.rollout_length", "within noise", "2.13.0", "GPU-hours"]
    says += [points(entry[key]) for entry in entries for key in ("difference", "ci_low", "ci_high")]
    for kind, text in texts.items():
        for words in says:
            assert words in text, (kind, words)
    assert texts["md"].startswith("### 2 rows worse, ")
    assert texts["text"].startswith("2 rows worse, ")


def test_refused_rows_are_named_with_the_reason():
    for kind in ("text", "md", "html"):
        page = Text()
        page.feed(invoke("good", "other", "--format", kind)[1])
        plain = page.text.replace("`", "").replace("*", "").strip(" #\n")
        assert plain.startswith("Not comparable")
        assert "ogbench 1.2.2 → 1.1.3" in plain
        for row in ("quick: scene, task 1, mac", "quick: scene, task 2, flow_bc"):
            assert row in plain


def test_markdown_is_as_it_was(tmp_path, monkeypatch, request):
    """Not a word of a pull request's comment changes unnoticed."""
    monkeypatch.chdir(tmp_path)
    for name, mark, mac in (("old", "a", 0.95), ("new", "b", 0.15)):
        rates = {"mac": mac, "flow_bc": 0.3}
        version(tmp_path / name, rates, mark=mark, stage="m1", episodes=20)
        columns = {"ogbench": "1.2.2" if mark == "a" else "1.3.0"}
        version(tmp_path / name, {"gau": 0.5}, name="other", episodes=5, columns=columns)
        config = tmp_path / name / "configs/base.yaml"
        config.parent.mkdir()
        config.write_text(f"steps: {10 if mark == 'a' else 20}\n")
    version(tmp_path / "new", {"late": 0.5}, name="later", episodes=5)
    text = render(compare(opened("old"), opened("new")), "md")
    if request.config.getoption("--rewrite-golden"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_content_is_escaped(tmp_path):
    evil = "<script>alert(1)</script>`|"
    for name, mark in (("a", "a"), ("b", "b")):
        version(tmp_path / name, {evil.replace("/", ""): 0.5}, mark=mark, episodes=5)
        path = tmp_path / name / "configs/base.yaml"
        path.parent.mkdir()
        path.write_text(json.dumps({"key": f"{mark} {evil}"}))
    result = compare(Folder(tmp_path / "a", evil), Folder(tmp_path / "b"))
    page = render(result, "html")
    assert "<script" not in page and "&lt;script&gt;" in page
    text = render(result, "md")
    assert "<script" not in re.sub(r"`[^`]*`", "", text)


def test_prediction_errors_have_a_table_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, mark, scale in (("a", "a", 1e-4), ("b", "b", 1e-3)):
        version(tmp_path / name, {"mac": 0.5}, mark=mark, episodes=5)
        error_version(tmp_path / name, {"n10": (10, scale)}, mark=mark)
    result = json.loads(invoke("a", "b", "--format", "json")[1])
    (worst,) = (e for e in result["cells"] if e["horizon"] == 150)
    for kind in ("text", "md", "html"):
        page = Text()
        page.feed(invoke("a", "b", "--format", kind)[1])
        for words in (
            "3 rows worse, prediction errors +",
            "errors: scene, scene-play, 150 steps ahead",
            "squared error",
            "success, %",
            points(worst["difference"]),
            "percentage points and percent of the earlier error",
            "share the error rate with",
            "the pooled tests have 1 %",
        ):
            assert words in " ".join(page.text.split()), (kind, words)
    assert invoke("a", "b", "--fail-on", "worse")[0] == 1
    code, text, _ = invoke("a", "a", "--experiment", "errors")
    assert code == 0 and text.startswith("Identical results\na → a: 3 rows compared")
    assert "success, %" not in invoke("a", "b", "--experiment", "errors")[1]


def test_nothing_recorded_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, mark in (("a", "a"), ("b", "b")):
        version(tmp_path / name, {"mac": 0.5}, mark=mark, episodes=5, records=False)
    text = invoke("a", "b")[1]
    assert "Time\n- not recorded\n" in text
    assert "Packages\n- not recorded in a and b\n" in text
    assert "- 2 compared rows: data known by name only" in text
    assert "commits of the runs: not recorded" in text
