"""Evaluation jobs on the point mass, with a hand-made pilot in place of a trained agent.

``main`` evaluates one job in a process of its own, for tests that must kill it.
"""

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq

from mac.data.normalize import Normalizer
from mac.envs.registry import EnvSpec
from mac.evaluation import run
from mac.provenance import RECORD, recorded

SPEC = EnvSpec("pointmass", "pointmass-play", "pointmass", 5, 4, 2, 2, 60, "toy", "post")
IDENTITY = Normalizer(*(np.full(width, fill, np.float32) for width in (4, 2) for fill in (0, 1)))


def rows_of(path):
    """Rows of a parquet file, as plain values."""
    return pq.read_table(path).to_pylist()


class Pilot:
    """Pushes towards the goal, the better the more it was trained."""

    def __init__(self, step, seconds=0.0):
        self.act_noise = {"z": (3, 2)}
        self.gain, self.seconds = 0.02 * step, seconds

    def act(self, observations, goals, noise):
        time.sleep(self.seconds)
        push = self.gain * (goals - observations[:, :2]) - 5 * observations[:, 2:]
        return push[:, None] + 0.3 * noise["z"]

    def value(self, observations, goals):
        return -(goals - observations[:, :2]).norm(dim=1)


def make_job(folder, workers=1, **evaluate):
    settings = {"episodes": 7, "batch_width": 4, "execute_length": 3} | evaluate
    job = SimpleNamespace(
        agent="flow_bc",
        seed=5,
        environment=SPEC,
        task="pointmass-play",
        tasks=(("pointmass-task1", 1), ("pointmass-task2", 2)),
        checkpoints=(10, 200),
        store=Path(folder) / "store",
        directory=Path(folder) / "results/stages/pointmass-play/evaluate-0123456789ab/seed5",
        resume=Path(folder) / "results/.resume/pointmass-play/evaluate-0123456789ab/seed5",
        fingerprint="0123456789ab",
        config={
            "agent": "flow_bc",
            "mode": "goal",
            "chunk_length": 3,
            "discount": 0.9,
            "evaluate": settings,
            "compute": {"device": "cpu", "workers": workers},
        },
    )
    job.recorded = lambda: recorded(job.directory / RECORD, {"rule": "evaluate"}, resume=job.resume)
    return job


def install(patch, loaded=None, seconds=0.0):
    """Put the pilot and the identity in place of checkpoints and stores."""

    def load_agent(job, step):
        if loaded is not None:
            loaded.append(step)
        return Pilot(step, seconds)

    patch(run, "load_agent", load_agent)
    patch(run, "Store", SimpleNamespace(open=lambda path: SimpleNamespace(normalizer=normalizer)))


def normalizer(split):
    assert split == "validation"
    return IDENTITY


def main(folder, workers, seconds):
    install(setattr, seconds=seconds)
    run.evaluate(make_job(folder, workers))
