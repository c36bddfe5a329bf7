"""How fast open-loop predictions go wrong: squared error by horizon on held-out windows.

algorithms.md 4, with the intended windows (the released assembly mixes trajectories): from a real
state x_0 the model is fed the true chunks A_0 .. A_{T-1}, and after k chunks of n steps

    mse_k = mean over windows and coordinates of (x_{kn} - prediction_k)^2

is reported at horizon k n, in normalised observations; mse_0 is 0. T = floor(150 / n), so
that different chunk lengths meet at equal physical horizons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from mac.data.store import Store
from mac.data.views import Windows
from mac.errors import CheckpointError
from mac.evaluation.record import write_rows
from mac.rng import stream
from mac.training.run import load_agent

if TYPE_CHECKING:
    from mac.planning.job import Job

WINDOWS_A_BATCH = 256


class Predictor(Protocol):
    """An agent with a model."""

    def predict(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Observations (T + 1, B, O) predicted from (B, O) under chunks (T, B, n, A)."""


@torch.inference_mode()
def error_by_horizon(
    predictor: Predictor, observations: np.ndarray, actions: np.ndarray, device: torch.device
) -> np.ndarray:
    """Mean squared errors (T + 1,) after 0 .. T chunks.

    Args:
        predictor: the model.
        observations: (T + 1, B, O), normalised, every n-th state of B windows.
        actions: (T, B, n, A), the chunks between them.
        device: where the model is.
    """
    sums = np.zeros(len(observations))
    for first in range(0, observations.shape[1], WINDOWS_A_BATCH):
        window = slice(first, first + WINDOWS_A_BATCH)
        true = torch.as_tensor(observations[:, window], dtype=torch.float32, device=device)
        chunks = torch.as_tensor(actions[:, window], dtype=torch.float32, device=device)
        error = predictor.predict(true[0], chunks) - true
        sums += error.double().square().sum(dim=(1, 2)).cpu().numpy()
    return sums / observations[0].size


def evaluate(job: Job, config: Any, device: torch.device) -> None:
    """Write ``model_error.parquet`` for every scheduled checkpoint.

    All checkpoints, agents and chunk lengths of one seed see windows drawn from the same stream.
    """
    store, length = Store.open(job.store), config.chunk_length
    view = Windows(
        store.split("validation"),
        store.normalizer(config.data.normalizer),
        length,
        config.evaluate.horizon // length,
    )
    count = config.evaluate.windows
    observations, actions = view.sample(stream(job.seed, "model-error"), count)
    rows = []
    for step in job.checkpoints:
        errors = error_by_horizon(load_agent(job, step), observations, actions, device)
        if not np.isfinite(errors).all():
            raise CheckpointError(
                "the model's predictions are not finite", file=job.directory, found=f"step {step}"
            )
        rows += [
            {
                "task": job.task,
                "agent": job.agent,
                "seed": job.seed,
                "step": step,
                "horizon": k * length,
                "mse": float(error),
                "windows": count,
                "fingerprint": job.fingerprint,
            }
            for k, error in enumerate(errors)
        ]
    write_rows(job.directory / "model_error.parquet", rows, "model_error")
