"""Diagnoses from a run's own files to the page: gathered, committed, shown."""

from io import BytesIO

import pytest
from PIL import Image

from mac.errors import DataError
from mac.io import read_json, write_json
from mac.report.diagnoses import candidates_table, films
from mac.report.render import RenderConfig, render
from mac.stamps import committed
from mac.stats.aggregate import aggregate
from tests.unit.stats.rows import experiment

TASK = "cube-single-play-singletask-task1-v0"
NUMBERS = {"states": 256, "candidates": 8, "horizon": 5, "gap": 1.5, "spread": 0.25, "rank": -0.5}
NUMBERS |= {"distance": 0.5, "data_distance": 0.125, "kl_bound": 1.2044}


def diagnosed(root, label, candidates, note=""):
    """Files of one diagnosis; returns the path of its numbers."""
    path = f"results/stages/{TASK}/diagnose-{label}/seed0/diagnostics.json"
    film = {"task": TASK, "episode": 0, "success": True, "length": 40}
    film |= {"file": None if note else f"{TASK}.webp", "note": note}
    content = {"task": TASK, "agent": label, "seed": 0, "step": 1, "fingerprint": f"fp-{label}"}
    write_json(root / path, {**content, "candidates": candidates, "films": [film]})
    if not note:
        first, *others = (Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 120, 250))
        file = BytesIO()
        first.save(file, "WEBP", save_all=True, append_images=others, duration=50)
        (root / path).with_name(f"{TASK}.webp").write_bytes(file.getvalue())
    return path


@pytest.fixture
def project(tmp_path):
    runs = experiment(tmp_path, {"mac": 0.6, "flow_bc": 0.2})
    looks = {
        diagnosed(tmp_path, "mac", NUMBERS): "mac",
        diagnosed(tmp_path, "flow_bc", None, "nothing to draw with"): "flow_bc",
    }
    return tmp_path, runs, looks


def built(project, **arguments):
    root, runs, looks = project
    settings = {"experiment": "x", "fingerprint": "f", "root": root, "diagnoses": looks}
    aggregate(runs, root / "results/x", **settings | arguments)
    return root / "results/x"


def test_the_page_shows_numbers_films_and_why_one_is_missing(project):
    folder = built(project)
    assert set(project[2]) < committed(folder).keys()
    render(folder, RenderConfig(), fingerprint="r")
    page = (folder / "report.html").read_text()
    assert page.count("<img ") == 1 and page.count('src="data:image/webp;base64,') == 1
    assert "prefers-reduced-motion: reduce" in page
    assert "episode 0 of cube-single, task 1, which is solved after 40 steps." in page
    assert "No film (nothing to draw with): flow_bc, cube-single, task 1" in page
    summary = read_json(folder / "summary.json")
    (row,) = candidates_table(read_json(folder / "diagnostics.json"), summary).rows
    texts = [cell.plain for cell in row.cells]
    assert texts[:3] == ["cube-single, task 1", "mac", "8"]
    assert texts[3:] == ["1.5", "−0.50", "0.25", "0.50", "0.12", "1.20"]


def test_films_stand_in_the_order_of_the_tables():
    tasks = ["a-task2-v0", "a-task1-v0"]
    film = {"file": None, "note": "none", "success": True, "length": 4, "episode": 0}
    entries = [
        {"label": label, "task": task, "seed": 0, "step": 1, "films": [{**film, "task": task}]}
        for label in ("mac", "flow_bc")
        for task in [*reversed(tasks), "elsewhere"]
    ]
    shown = films(entries, {"environments": [{"name": "a", "tasks": tasks}]}, None)
    captions = [(one.caption.partition(":")[0], one.agent) for one in shown]
    assert captions == [(f"a, task {n}", label) for n in (2, 1) for label in ("mac", "flow_bc")]


def test_committed_ones_are_enough_and_missing_ones_are_refused(project):
    root, _, looks = project
    folder = built(project)
    content = {p: p.read_bytes() for p in (folder / "films").glob("*")}
    numbers = (folder / "diagnostics.json").read_bytes()
    for path in looks:
        (root / path).unlink()
    built(project, fingerprint="g")
    assert (folder / "diagnostics.json").read_bytes() == numbers
    assert content and all(path.read_bytes() == film for path, film in content.items())
    with pytest.raises(DataError, match="a diagnosis is missing"):
        built(project, diagnoses={"results/stages/other/diagnostics.json": "mac"})


def test_a_committed_film_that_was_changed_is_refused(project):
    root, _, looks = project
    (film,) = (built(project) / "films").iterdir()
    film.write_bytes(b"another")
    for path in looks:
        (root / path).unlink()
    with pytest.raises(DataError, match="differs from its stamp"):
        built(project, fingerprint="g")


def test_without_diagnoses_nothing_of_them_is_left(project):
    folder = built(project)
    built(project, diagnoses={})
    assert not (folder / "diagnostics.json").exists() and not list(folder.glob("films/*"))
    render(folder, RenderConfig(), fingerprint="r")
    page = (folder / "report.html").read_text()
    assert "<img" not in page and "reel" not in page and "Best of N" not in page
