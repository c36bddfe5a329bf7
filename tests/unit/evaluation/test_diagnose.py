"""A look inside a run on the point mass, with a hand-made pilot in place of a trained agent."""

from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mac.envs import toy
from mac.errors import DeviceError
from mac.evaluation import diagnose, film, run
from mac.io import read_json
from tests.unit.evaluation.jobs import IDENTITY, Pilot, install, make_job, rows_of


def look(folder, monkeypatch, rejection=None, trained=200, **evaluate):
    """Diagnose the job's last checkpoint; returns the job's folder and what it wrote."""
    job = make_job(folder, **evaluate)
    job.checkpoints, job.files = job.checkpoints[-1:], ("diagnostics.json",)
    job.directory = job.directory.parents[1] / "diagnose-0123456789ab" / "seed5"
    pilot = Pilot(trained)
    pilot.rejection = rejection
    monkeypatch.setattr(diagnose, "load_agent", lambda job, step: pilot)
    store = SimpleNamespace(normalizer=lambda split: IDENTITY, split=lambda name: name)
    monkeypatch.setattr(diagnose, "Store", SimpleNamespace(open=lambda path: store))
    diagnose.diagnose(job)
    return job.directory, read_json(job.directory / "diagnostics.json")


@pytest.mark.parametrize("horizon", [None, 90])
def test_films_show_counted_episodes(tmp_path, monkeypatch, horizon):
    install(monkeypatch.setattr)
    job = make_job(tmp_path / "evaluation", value_horizon=horizon)
    run.evaluate(job)
    rows = {
        (row["task"], row["step"], row["episode"]): row
        for row in rows_of(job.directory / "episodes.parquet")
    }
    folder, found = look(tmp_path, monkeypatch, value_horizon=horizon)
    assert found["candidates"] is None and found["step"] == 200
    assert [one["task"] for one in found["films"]] == [task for task, _ in job.tasks]
    for one in found["films"]:
        counted = rows[one["task"], 200, 0]
        assert (one["success"], one["length"]) == (counted["success"], counted["length"])
        every = -(-60 // film.PICTURES)
        picture = Image.open(folder / one["file"])
        assert picture.size == (film.SIZE, film.SIZE)
        assert 1 < picture.n_frames <= 1 + -(-one["length"] // every)
        assert (folder / one["file"]).stat().st_size < film.LIMIT


def test_equal_runs_give_equal_bytes(tmp_path, monkeypatch):
    folders = [look(tmp_path / name, monkeypatch)[0] for name in ("one", "two")]
    one, two = (
        {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "run.yaml"}
        for folder in folders
    )
    assert len(one) == 3 and one == two


def test_films_end_at_the_step_limit_however_far_the_return_is_followed(tmp_path, monkeypatch):
    short, long = (
        look(tmp_path / str(horizon), monkeypatch, trained=1, value_horizon=horizon)
        for horizon in (None, 90)
    )
    assert [one["length"] for one in short[1]["films"]] == [60, 60]
    for one in short[1]["films"]:
        assert (short[0] / one["file"]).read_bytes() == (long[0] / one["file"]).read_bytes()


def test_a_machine_that_cannot_draw_says_so_and_goes_on(tmp_path, monkeypatch):
    tried = []

    def refuse(self, size):
        tried.append(size)
        raise DeviceError("nothing to draw with")

    monkeypatch.setattr(toy.Simulation, "picture", refuse)
    folder, found = look(tmp_path, monkeypatch)
    assert len(tried) == 2  # once a film
    assert not list(folder.glob("*.webp"))
    for one in found["films"]:
        assert one["file"] is None and one["note"] == "nothing to draw with"
        assert one["success"] == (one["length"] < 60)


def test_an_animation_too_large_for_a_page_is_coarser(monkeypatch):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    fine = film.animation(pictures)
    monkeypatch.setattr(film, "LIMIT", len(fine))
    coarse = film.animation(pictures)
    assert len(coarse) < len(fine)
    assert Image.open(BytesIO(coarse)).n_frames == 5


def test_rejection_is_diagnosed_on_held_out_states(tmp_path, monkeypatch):
    seen = {}

    def numbers(agent, held_out, data, seed, device):
        seen.update(held_out=held_out, data=data, seed=seed)
        return {"gap": 1.0}

    monkeypatch.setattr(diagnose, "diagnose_candidates", numbers)
    monkeypatch.setattr(diagnose, "view", lambda name, job, config, store, split: split)
    _, found = look(tmp_path, monkeypatch, rejection=object())
    assert found["candidates"] == {"gap": 1.0}
    assert seen == {"held_out": "validation", "data": "train", "seed": 5}
