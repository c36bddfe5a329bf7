import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from mac.errors import DataError
from mac.evaluation import run
from mac.evaluation.episodes import Episode, Player, play, rules_of
from mac.io import read_yaml
from mac.stopping import UNFINISHED, Deadline, Interrupted
from tests.unit.evaluation.jobs import IDENTITY, Pilot, install, make_job, rows_of

ROOT = Path(__file__).resolve().parents[3]
WAVES = 2 * 4  # checkpoints x waves: 14 episodes in waves of 4


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Bytes of an evaluation that nothing disturbed."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        install(patch.setattr)
        run.evaluate(make_job(folder))
    return (make_job(folder).directory / "episodes.parquet").read_bytes()


def evaluate_until(job, patch, stop_after):
    """Evaluate ``job`` but fail after so many waves; returns how many were played."""
    played = []

    def limited(*arguments):
        if len(played) == stop_after:
            raise KeyboardInterrupt
        played.append(None)
        return play(*arguments)

    patch.setattr(run, "play", limited)
    with suppress(KeyboardInterrupt):
        run.evaluate(job)
    return len(played)


def test_one_row_per_episode_of_every_checkpoint_and_task(tmp_path, monkeypatch):
    loaded = []
    install(monkeypatch.setattr, loaded)
    job = make_job(tmp_path)
    run.evaluate(job)
    assert loaded == [10, 200]  # each checkpoint is read once
    rows = rows_of(job.directory / "episodes.parquet")
    keys = [(row["task"], row["step"], row["episode"]) for row in rows]
    names = ("pointmass-task1", "pointmass-task2")
    assert keys == [(t, s, e) for t in names for s in (10, 200) for e in range(7)]
    for row in rows:
        assert (row["agent"], row["seed"], row["success_timing"]) == ("flow_bc", 5, "post")
        assert row["fingerprint"] == "0123456789ab"
        assert row["ogbench"] == row["mujoco"] == "n/a"  # the point mass uses neither
        assert row["success"] == (row["length"] < 60)
    rates = {step: sum(r["success"] for r in rows if r["step"] == step) for step in (10, 200)}
    assert rates[200] > rates[10]
    assert read_yaml(job.directory / "run.yaml")["rule"] == "evaluate"
    assert not job.resume.exists()
    assert sorted(p.name for p in job.directory.iterdir()) == ["episodes.parquet", "run.yaml"]


def test_an_episode_does_not_depend_on_what_is_played_around_it(tmp_path, monkeypatch):
    install(monkeypatch.setattr)
    job = make_job(tmp_path)
    run.evaluate(job)
    rows = rows_of(job.directory / "episodes.parquet")
    config = run.agent_class("flow_bc").Config.model_validate(job.config)
    with run.Episodes(job.environment, "goal", 4) as environments:
        player = Player(Pilot(200), IDENTITY, "cpu")
        alone = play(
            environments, player, [Episode("pointmass-task2", 2, 6)], rules_of(config, job.seed)
        )
    same = next(
        r for r in rows if (r["task"], r["step"], r["episode"]) == ("pointmass-task2", 200, 6)
    )
    assert {key: same[key] for key in alone[0]} == alone[0]


@pytest.mark.parametrize("stops", [(0,), (1, 1, 1), (5,), (3, 0, 4), (8,)])
def test_interruption_changes_no_byte(tmp_path, monkeypatch, reference, stops):
    install(monkeypatch.setattr)
    job = make_job(tmp_path)
    for stop in stops:
        assert evaluate_until(job, monkeypatch, stop) == stop
        assert (job.directory / "episodes.parquet").exists() == (sum(stops) >= WAVES)
    monkeypatch.setattr(run, "play", play)
    run.evaluate(job)
    assert (job.directory / "episodes.parquet").read_bytes() == reference


def test_no_wave_is_begun_that_would_last_beyond_the_deadline(tmp_path, monkeypatch, reference):
    """Of a minute 45 seconds are played in, and a wave takes twelve: three fit."""
    install(monkeypatch.setattr)
    clock, attempts = SimpleNamespace(now=0.0), []

    def slow(*arguments):
        clock.now += 12.0
        attempts[-1] += 1
        return play(*arguments)

    monkeypatch.setattr(run, "play", slow)
    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: clock.now))
    job = make_job(tmp_path)
    for _ in range(2):
        attempts.append(0)
        with pytest.raises(Interrupted) as stopped:
            run.evaluate(job, Deadline(1, clock=lambda: clock.now))
        assert stopped.value.code == UNFINISHED
    attempts.append(0)
    run.evaluate(job, Deadline(1, clock=lambda: clock.now))
    assert attempts == [3, 3, WAVES - 6]
    assert (job.directory / "episodes.parquet").read_bytes() == reference


def test_resumed_evaluation_plays_only_what_is_left(tmp_path, monkeypatch):
    install(monkeypatch.setattr)
    job = make_job(tmp_path)
    evaluate_until(job, monkeypatch, 5)
    assert evaluate_until(job, monkeypatch, 99) == WAVES - 5


def test_workers_change_no_byte(tmp_path, monkeypatch, reference):
    install(monkeypatch.setattr)
    job = make_job(tmp_path)
    evaluate_until(job, monkeypatch, 2)
    monkeypatch.setattr(run, "play", play)
    run.evaluate(make_job(tmp_path, workers=3))
    assert (job.directory / "episodes.parquet").read_bytes() == reference


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        (lambda content: content[:-7], 2),
        (lambda content: content[:-1], 2),
        (lambda content: content + b'{"step": 10, "wave"', 3),
        (lambda content: content + b"\x00\x00\x00\n", 3),
        (lambda content: content + content.splitlines(keepends=True)[-1], 3),
        (lambda content: b"".join([content[:-20], b"0", content[-19:]]), 2),
        (lambda content: b"", 0),
    ],
    ids=["cut line", "cut newline", "half a line", "zeros", "line twice", "a digit", "empty"],
)
def test_damaged_resume_file(tmp_path, monkeypatch, reference, damage, kept):
    install(monkeypatch.setattr)
    job = make_job(tmp_path)
    evaluate_until(job, monkeypatch, 3)
    job.resume.write_bytes(damage(job.resume.read_bytes()))
    evaluate_until(job, monkeypatch, 1)  # appends after the damage
    assert evaluate_until(job, monkeypatch, 99) == WAVES - kept - 1  # nothing sound is lost
    assert (job.directory / "episodes.parquet").read_bytes() == reference


def test_missing_wave_cannot_be_written(tmp_path, monkeypatch):
    install(monkeypatch.setattr)
    job = make_job(tmp_path)
    monkeypatch.setattr(run, "play", lambda *arguments: play(*arguments)[:-1] * 2)
    with pytest.raises(DataError, match="two rows with one key"):
        run.evaluate(job)
    assert not (job.directory / "episodes.parquet").exists()


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGTERM, 2), (signal.SIGINT, 1)])
def test_signal_leaves_a_resumable_run_and_no_process(
    tmp_path, monkeypatch, reference, number, workers
):
    install(monkeypatch.setattr)
    job = make_job(tmp_path)
    code = f"from tests.unit.evaluation import jobs; jobs.main({str(tmp_path)!r}, {workers}, 0.01)"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while not (job.resume.exists() and job.resume.stat().st_size):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)  # ends when the workers closed theirs, too
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert b"Traceback" not in errors
    lines = job.resume.read_bytes().splitlines()
    assert 1 <= len(lines) < WAVES
    assert not job.directory.exists()
    assert evaluate_until(job, monkeypatch, 99) == WAVES - len(lines)
    assert (job.directory / "episodes.parquet").read_bytes() == reference
