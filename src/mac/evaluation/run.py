"""Evaluates one run: every scheduled checkpoint on all its tasks, in one resumable job."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mac.agents.base import agent_class
from mac.data.store import Store
from mac.envs.registry import adapter
from mac.envs.vector import Episodes
from mac.evaluation import model_error
from mac.evaluation.episodes import Episode, Player, play, rules_of, waves
from mac.evaluation.record import write_rows
from mac.progress import progress
from mac.rows import VERSIONS
from mac.stopping import UNFINISHED, Deadline, Interrupted, signalled
from mac.training.device import memory_errors, prepare
from mac.training.run import load_agent

if TYPE_CHECKING:
    from mac.planning.job import Job

Row = dict[str, Any]


@memory_errors()
def evaluate(job: Job, deadline: Deadline | None = None) -> None:
    """Evaluate a run; writes ``episodes.parquet`` or ``model_error.parquet``, and ``run.yaml``.

    An interrupted evaluation of episodes goes on from the last wave it played and ends with the
    same bytes; one of the model's error, which takes minutes, starts again.

    Raises:
        Interrupted: a signal came, or the next wave would last beyond the deadline.
    """
    agent = agent_class(job.agent)
    config = agent.Config.model_validate(job.config)
    with job.recorded() as known:
        device = prepare(config.compute)
        known["device"] = str(device)
        if agent.evaluator == "model_error":
            model_error.evaluate(job, config, device)
        else:
            _evaluate_episodes(job, config, device, deadline or Deadline())


def _evaluate_episodes(job: Job, config: Any, device: Any, deadline: Deadline) -> None:
    """Play what is left of the schedule, a wave at a time, and write all rows."""
    spec, settings = job.environment, config.evaluate
    rules = rules_of(config, job.seed)
    episodes = [
        Episode(task, number, index)
        for task, number in job.tasks
        for index in range(settings.episodes)
    ]
    schedule = [
        (step, number, wave)
        for step in job.checkpoints
        for number, wave in enumerate(waves(episodes, settings.batch_width))
    ]
    normalizer = Store.open(job.store).normalizer(config.data.normalizer)
    versions = adapter(spec).versions()
    columns = {
        "agent": job.agent,
        "seed": job.seed,
        "fingerprint": job.fingerprint,
        "success_timing": spec.success_timing,
        **{name: versions.get(name, "n/a") for name in VERSIONS},
    }
    with (
        signalled(at_once=True) as code,  # the waves played so far are on disk already
        Played(job.resume) as played,
        Episodes(spec, config.mode, settings.batch_width, config.compute.workers) as environments,
        progress(
            len(job.checkpoints) * len(episodes),
            "episodes",
            f"evaluate {job.agent} {job.task} seed {job.seed}",
            initial=sum(len(played.rows.get((step, n), ())) for step, n, _ in schedule),
        ) as bar,
    ):
        loaded: tuple[int, Player] | None = None
        longest_s = 0.0
        for step, number, wave in schedule:
            if (step, number) in played.rows:
                continue
            if stop := code() or (UNFINISHED if deadline.near(longest_s) else 0):
                raise Interrupted(stop)
            start = time.monotonic()
            if loaded is None or loaded[0] != step:
                loaded = (step, Player(load_agent(job, step), normalizer, device))
            rows = play(environments, loaded[1], wave, rules)
            played.add(step, number, [{**columns, "step": step, **row} for row in rows])
            bar.update(len(wave))
            longest_s = max(longest_s, time.monotonic() - start)
        rows = [row for step, number, _ in schedule for row in played.rows[step, number]]
        write_rows(job.directory / "episodes.parquet", rows)
    job.resume.unlink(missing_ok=True)


class Played:
    """Rows of the waves played so far, appended to a file wave by wave.

    Each line is one wave after its hash. A line that a crash cut short or a disk damaged is dropped
    with all that follow, and a wave that two processes played at once counts once: both wrote the
    same rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[tuple[int, int], list[Row]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        good = 0
        for line in path.read_bytes().splitlines(keepends=True):
            mark, _, text = line.partition(b" ")
            if mark != _mark(text):
                break
            wave = json.loads(text)
            self.rows[wave["step"], wave["wave"]] = wave["rows"]
            good += len(line)
        os.ftruncate(self._file, good)

    def __enter__(self) -> Played:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def add(self, step: int, wave: int, rows: list[Row]) -> None:
        """Count a wave as played; once this returns it survives whatever happens to the process."""
        text = (json.dumps({"step": step, "wave": wave, "rows": rows}) + "\n").encode()
        os.write(self._file, _mark(text) + b" " + text)
        os.fsync(self._file)
        self.rows[step, wave] = rows


def _mark(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:12].encode()
