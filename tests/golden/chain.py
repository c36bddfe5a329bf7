"""A tiny experiment run through the real command line, its networks in float64, for tracing.

Draws, batches and initial parameters are the real float32 ones, only then cast; so a trace sees
sampler, goals, normaliser, initialisation, named streams, decay and the kept weights, and yet
differs between machines by no more than the rounding of float32 draws.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
import yaml

from mac.agents.base import agent_class
from mac.cli import main
from mac.data.store import ARRAYS, SPLITS, Store
from mac.evaluation import model_error
from mac.evaluation import run as evaluation
from mac.planning import files
from mac.planning.job import REVISIONS, Job
from mac.planning.plan import Plan
from mac.rng import stream
from mac.training import checkpoint
from mac.training import run as training
from mac.training.trainer import Trainer
from tests.architecture.source import ROOT
from tests.specs import POINTMASS

LINE = {key: value for key, value in POINTMASS.facts().items() if key != "name"}
WIDTHS = {"hidden_dims": [8, 8]}
PLANNER = {
    **{"rows": 4, "hidden_dims": [8, 16], "kernels_down": [4], "kernels_up": [4]},
    **{"diffusion_steps": 3, "average_start": 4, "average_every": 3},
}
VALUES = {
    "schedule": "staged",
    "data": {"source": "collect", "train_episodes": 4, "episode_length": 30},
    "steps": 20,
    "batch_size": 12,
    "chunk_length": 3,
    "discount": 0.9,
    "optimiser": {"learning_rate": 0.01, "decay": "cosine"},
    "model": WIDTHS,
    "heads": {**WIDTHS, "validate_every": 4, "keep": "best", "optimiser.weight_decay": 0.1},
    "behaviour": {**WIDTHS, "flow_steps": 3},
    "value": {
        **WIDTHS,
        "critic_hidden_dims": [8],
        "rollout_length": 3,
        "rollout_batch_size": 8,
        "num_candidates": 4,
        "polyak_rate": 0.1,
        "td_lambda": 0.9,
        "checkpoint_every": 10,
    },
    "actor": {**WIDTHS, "flow_steps": 3},
    "dynamics": WIDTHS,
    "outcome_length": 5,
    "rollout_length": 3,
    "imagined": {"batch_size": 10, "rollout_length": 2, "starts": 9, "retain": 3, "every": 6},
    "evaluate": {"episodes": 3, "batch_width": 2, "num_candidates": 4, "execute_length": 2},
}
JOINT = {
    "schedule": "joint",
    "heads": {"validate_every": 0, "keep": "last", "optimiser.weight_decay": 0.0},
}
ONE_STEP = ("gciql", "ifql", "iql", "fql", "leq", "mobile", "mopo", "random")
AGENTS = {
    "mac": {},
    "joint": {"agent": "mac", "set": JOINT},
    "mac_gau": {},
    "mac_fql": {"set": {"chunk_length": 3}},
    "flow_bc": {},
    **{name: {"set": {"evaluate": {"execute_length": 1}}} for name in ONE_STEP},
    **{
        name: {"set": {"subgoal_steps": 5, "evaluate": {"execute_length": 1}}}
        for name in ("ngcsac_bc", "sharsa")
    },
    "rebrac": {"set": {"alpha_actor": 0.1, "alpha_critic": 0.1, "evaluate": {"execute_length": 1}}},
    "fmpc": {},
    "idql": {
        "set": {
            "actor": {"diffusion_steps": 3, "time_dims": [4, 8, 8]},
            "evaluate": {"execute_length": 1},
        }
    },
    "diffuser": {"set": {"plan": PLANNER}},
    "hd_da": {"set": {"high": PLANNER, "low": PLANNER}},
    "model_error": {"set": {"evaluate": {"windows": 4, "horizon": 12}}},
}


def write(folder: Path) -> list[str]:
    """Write the experiments, one a mode, and return their names."""
    names = {"reward": [1], "goal": [1, 2]}
    for mode, tasks in names.items():
        suite = {"mode": mode, "environments": {POINTMASS.name: LINE}}
        content = {
            "title": mode,
            "caption": "For traces.",
            "suites": {f"toy_{mode}": {POINTMASS.name: tasks}},
            "agents": {
                label: entry
                for label, entry in AGENTS.items()
                if mode in agent_class(entry.get("agent", label)).modes
            },
            "seeds": [3],
            "set": VALUES,
        }
        for kind, name, what in (("suites", f"toy_{mode}", suite), ("experiments", mode, content)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            (folder / kind / f"{name}.yaml").write_text(yaml.safe_dump(what))
    files.read_config.cache_clear()
    return list(names)


class DoubleTrainer(Trainer):
    """The trainer, its batches and noise cast to float64."""

    def moved(self, *arguments):
        return super().moved(*arguments).map(torch.Tensor.double)

    def noise(self, *arguments):
        draws = super().noise(*arguments).items()
        return {n: draw.double() if draw.is_floating_point() else draw for n, draw in draws}


class DoubleAgent:
    """An agent in float64 for callers in float32."""

    def __init__(self, agent: Any) -> None:
        self.agent, self.act_noise = agent, agent.act_noise

    def act(self, observations, goals, noise):
        noise = {name: draw.double() for name, draw in noise.items()}
        return self.agent.act(observations.double(), goals.double(), noise)

    def value(self, observations, goals):
        return self.agent.value(observations.double(), goals.double())

    def predict(self, observations, actions):
        return self.agent.predict(observations.double(), actions.double())


def in_float64(patch) -> None:
    """Make training and evaluation use float64 networks; ``patch`` sets an attribute."""
    build, load = training.build_agent, training.load_agent

    def build_double(job):
        agent = build(job)
        for part in agent.parts.values():
            part.double()
        return agent

    patch(training, "build_agent", build_double)
    patch(training, "Trainer", DoubleTrainer)
    for module in (evaluation, model_error):
        patch(module, "load_agent", lambda job, step: DoubleAgent(load(job, step)))


def run(folder: Path, patch) -> dict[str, Job]:
    """Run everything up to the evaluations in ``folder``; returns the jobs by trace name."""
    names = write(folder / "own")
    patch(os, "environ", {**os.environ, "MAC_CONFIG_PATH": f"{folder / 'own'}:{ROOT / 'configs'}"})
    in_float64(patch)
    jobs = {}
    for job in Plan(names):
        if job.rule in ("aggregate", "render"):
            continue
        verb = ["data", job.rule] if job.rule in ("collect", "build") else [job.rule]
        main.main([*verb, *job.options], standalone_mode=False)
        parts = [job.experiment, job.label, job.rule] if job.label else [job.rule]
        jobs["/".join(parts)] = job
    return jobs


def projection(array: Any) -> float:
    """One number that moves with any entry and with the order of entries."""
    flat = np.asarray(array, np.float64).ravel()
    return short(flat @ np.cos(np.arange(flat.size)) / max(flat.size, 1) ** 0.5)


def short(value: Any) -> float:
    """Twelve digits of a number: more than any comparison uses."""
    return float(f"{float(value):.12g}")


def numbers(job: Job) -> dict[str, float]:
    """A job's outputs in a few numbers."""
    path = job.directory / job.files[0]
    if job.rule == "collect":
        with np.load(path) as archive:
            return {name: projection(archive[name]) for name in archive.files}
    if job.rule == "build":
        store = Store.open(job.directory)
        found = {
            f"{split}/{name}": projection(getattr(store.split(split), name))
            for split in SPLITS
            for name in ARRAYS
        }
        scale = [projection(part) for part in vars(store.normalizer("validation")).values()]
        return {**found, "normalizer": projection(scale)}
    if job.rule == "evaluate":
        columns = pq.read_table(path).to_pydict()
        names = [n for n in columns if n not in ("seed", "fingerprint", "windows")]
        numeric = {n: columns[n] for n in names if not isinstance(columns[n][0], str)}
        return {n: projection(np.nan_to_num(np.asarray(v, float))) for n, v in numeric.items()}
    with (job.directory / "metrics.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    tensors, _ = checkpoint.load(path)
    weights = [projection(tensors[name].numpy()) for name in sorted(tensors)]
    losses = {name: short(value) for name, value in last.items() if value and name != "step"}
    return {**losses, "weights": projection(weights)}


def actions(job: Job) -> dict[str, float]:
    """Chunks of an evaluated agent at fixed states, from its last checkpoint."""
    agent = evaluation.load_agent(job, job.checkpoints[-1])
    draw, rows = stream(0, "golden-act"), 5
    spaces = agent.agent.spaces
    shapes = {"o": (spaces.observation_dim,), "g": (spaces.goal_dim,), **agent.act_noise}
    tensors = {n: torch.from_numpy(draw.standard_normal((rows, *s))) for n, s in shapes.items()}
    with torch.no_grad():
        chunks = agent.act(tensors.pop("o"), tensors.pop("g"), tensors)
    return {"chunks": projection(chunks.numpy())}


def revisions(job: Job) -> dict[str, int]:
    """Revisions of the code behind a job's own numbers."""
    if job.stage is None:
        return {job.rule: REVISIONS[job.rule]}
    return {part.name: part.revision for part in job.stage.members}


def upstream(job: Job) -> Mapping[str, int]:
    """Revisions of the code behind what a job uses."""
    found: dict[str, int] = {}
    for other in job.upstream.values():
        found |= {**upstream(other), **revisions(other)}
    return found
