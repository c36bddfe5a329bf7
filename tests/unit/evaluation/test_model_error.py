from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mac.data.build import build
from mac.data.collect import collect
from mac.data.store import Store
from mac.envs.toy import advance
from mac.errors import CheckpointError
from mac.evaluation import model_error, run
from tests.unit.evaluation.jobs import SPEC, rows_of

N = 4  # chunk length
HORIZON = 30  # 7 chunks


class Physics:
    """The point mass itself, in normalised observations."""

    def __init__(self, normalizer, push=1.0):
        self.normalizer, self.push = normalizer, push

    def predict(self, observations, actions):
        known = self.normalizer
        normalised = observations.numpy().astype(np.float64)
        states = [normalised * known.observation_scale + known.observation_centre]
        for chunk in actions.numpy().astype(np.float64):
            state = states[-1].copy()
            for row, plan in zip(state, chunk, strict=True):
                for action in plan:
                    advance(row[:2], row[2:], self.push * action)
            states.append(state)
        return torch.tensor(np.stack([self.normalizer.observations(state) for state in states]))


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    raw = [folder / "a.npz", folder / "a-val.npz"]
    collect(SPEC, *raw, train_episodes=20, episode_length=50, seed=0, resume_dir=folder / "part")
    build(raw[:1], raw[1:], SPEC, folder / "store")
    return SimpleNamespace(
        agent="model_error",
        seed=2,
        environment=SPEC,
        task="pointmass-play",
        checkpoints=(10, 20),
        store=folder / "store",
        directory=folder / "results/pointmass-play/evaluate-f/seed2",
        fingerprint="f",
        config={
            "agent": "model_error",
            "mode": "goal",
            "chunk_length": N,
            "evaluate": {"windows": 40, "horizon": HORIZON},
            "compute": {"device": "cpu"},
        },
        recorded=lambda: nullcontext({}),
    )


def rows_with(job, patch, predictor):
    patch.setattr(model_error, "load_agent", lambda job, step: predictor(step))
    run.evaluate(job)
    return rows_of(job.directory / "model_error.parquet")


def test_the_true_dynamics_have_no_error_at_any_horizon(job, monkeypatch):
    normalizer = Store.open(job.store).normalizer("validation")
    rows = rows_with(job, monkeypatch, lambda step: Physics(normalizer, 1.0 if step == 20 else 0.9))
    assert [(row["step"], row["horizon"]) for row in rows] == [
        (step, k * N) for step in (10, 20) for k in range(HORIZON // N + 1)
    ]
    wrong, right = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    assert max(row["mse"] for row in right) < 1e-6
    assert wrong[0]["mse"] < 1e-9 and min(row["mse"] for row in wrong[1:]) > 1e-4
    assert {(row["task"], row["agent"], row["seed"], row["windows"]) for row in rows} == {
        ("pointmass-play", "model_error", 2, 40)
    }


def test_equal_bytes_when_repeated(job, monkeypatch):
    normalizer = Store.open(job.store).normalizer("validation")
    rows_with(job, monkeypatch, lambda step: Physics(normalizer))
    first = (job.directory / "model_error.parquet").read_bytes()
    rows_with(job, monkeypatch, lambda step: Physics(normalizer))
    assert (job.directory / "model_error.parquet").read_bytes() == first


def test_predictions_that_are_not_finite_are_refused(job, monkeypatch):
    normalizer = Store.open(job.store).normalizer("validation")
    with pytest.raises(CheckpointError, match="not finite; found step 10"):
        rows_with(job, monkeypatch, lambda step: Physics(normalizer, float("nan")))


@pytest.mark.parametrize("windows_a_batch", [3, 100])
def test_error_equals_a_loop_over_windows(monkeypatch, windows_a_batch):
    monkeypatch.setattr(model_error, "WINDOWS_A_BATCH", windows_a_batch)
    draws = np.random.default_rng(0)
    observations, actions = draws.normal(size=(4, 7, 3)), draws.normal(size=(3, 7, 2, 3))

    class Sum:
        def predict(self, observations, actions):
            states = [observations]
            for chunk in actions:
                states.append(states[-1] + chunk.sum(dim=1))
            return torch.stack(states)

    expected = []
    for k in range(4):
        errors = []
        for window in range(7):
            prediction = observations[0, window].copy()
            for chunk in actions[:k, window]:
                prediction += chunk.sum(axis=0)
            errors += list((prediction - observations[k, window]) ** 2)
        expected.append(np.mean(errors))
    found = model_error.error_by_horizon(Sum(), observations, actions, torch.device("cpu"))
    assert found == pytest.approx(expected, rel=1e-5)
