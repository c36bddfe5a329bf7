"""Synthetic evaluation files, with the same columns as real ones."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mac.rng import stream
from mac.rows import EPISODES, MODEL_ERROR
from mac.stats.rows import EvaluationInput

VERSIONS = {"ogbench": "1.2.2", "mujoco": "4.0.0", "gymnasium": "1.4.0", "success_timing": "pre"}


def episode_rows(run, rate, draws, **columns):
    """Rows of one run; ``rate`` is a number, or a function of (task, step)."""
    rows = []
    for task in run.tasks:
        for step in run.steps:
            p = rate(task, step) if callable(rate) else rate
            for episode in range(run.episodes):
                success = bool(draws.random() < p)
                rows.append(
                    {
                        "task": task,
                        "agent": run.agent,
                        "seed": run.seed,
                        "step": step,
                        "episode": episode,
                        "success": success,
                        "return": -200.0 + 100.0 * success + draws.normal(),
                        "length": 200 - 50 * success,
                        "discounted_return": -10.0 + 5.0 * success,
                        "value_estimate": np.nan,
                        "fingerprint": run.fingerprint,
                        **VERSIONS,
                        **columns,
                    }
                )
    return pd.DataFrame(rows)


def model_error_rows(run, scale, draws, horizon=100, length=10):
    return pd.DataFrame(
        [
            {
                "task": task,
                "agent": run.agent,
                "seed": run.seed,
                "step": step,
                "horizon": k,
                "mse": scale * k**1.5 * np.exp(0.1 * draws.normal()) if k else 0.0,
                "windows": 15,
                "fingerprint": run.fingerprint,
            }
            for task in run.tasks
            for step in run.steps
            for k in range(0, horizon + 1, length)
        ]
    )


def save(root, run, frame, schema=None):
    path = root / run.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if schema is None:
        schema = EPISODES if run.evaluator == "episodes" else MODEL_ERROR
    pq.write_table(pa.Table.from_pylist(frame.to_dict("records"), schema=schema), path)


def make_run(label, task, seed, *, agent=None, environment="cube-single", mode="reward", **columns):
    tasks = (task,) if isinstance(task, str) else tuple(task)
    evaluator = columns.get("evaluator", "episodes")
    name = tasks[0] if mode == "reward" else environment
    return EvaluationInput(
        path=f"results/stages/{name}/evaluate-{label}/seed{seed}/{evaluator}.parquet",
        label=label,
        agent=agent or label,
        environment=environment,
        mode=mode,
        tasks=tasks,
        seed=seed,
        fingerprint=f"fp-{label}",
        **{"steps": (3000,), "episodes": 50, **columns},
    )


def experiment(
    root,
    rates,
    *,
    environments=("cube-single",),
    tasks=2,
    seeds=2,
    mode="reward",
    value=(),
    **columns,
):
    """Files of a whole experiment; ``rates`` maps label to a rate or a function of (task, step)."""
    runs = []
    kind = "singletask" if mode == "reward" else "oraclerep"
    for environment in environments:
        names = [f"{environment}-play-{kind}-task{k + 1}-v0" for k in range(tasks)]
        for label, rate in rates.items():
            for seed in range(seeds):
                for chosen in [[n] for n in names] if mode == "reward" else [names]:
                    own = {"followed": label in value, **columns}
                    run = make_run(label, chosen, seed, environment=environment, mode=mode, **own)
                    draws = stream(seed, "synthetic", label, *chosen)
                    frame = episode_rows(run, rate, draws)
                    if label in value:
                        frame["value_estimate"] = -6.0 + draws.normal(size=len(frame))
                    save(root, run, frame)
                    runs.append(run)
    return runs
