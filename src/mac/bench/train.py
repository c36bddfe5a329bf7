"""Cost of a MAC update and of each stage's, beside the floor of its matrix products, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from mac.agents.base import Agent, agent_class
from mac.bench.floor import SIZES, Floor, Size, config_of, products
from mac.components.part import Part
from mac.nets.mlp import Init
from mac.planning.work import gflop
from mac.provenance import hardware, package_versions
from mac.training.capture import Captured, Recorder
from mac.training.update import Update, adam
from mac.types import Batch, Spaces

ROUNDS = {"quick": 15, "paper": 2}


def random_batch(size: Size, generator: torch.Generator) -> Batch:
    """A batch of the right shapes."""

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    rows = size.batch_size
    return Batch(
        observations=normal(rows, size.observation_dim),
        actions=normal(rows, size.chunk_length, size.action_dim).clamp(-1.0, 1.0),
        rewards=normal(rows),
        masks=torch.ones(rows),
        next_observations=normal(rows, size.observation_dim),
        value_goals=torch.zeros(rows, 0),
        actor_goals=torch.zeros(rows, 0),
    )


class Stepper:
    """Updates of some of an agent's parts, noise included, as training does them."""

    def __init__(
        self,
        agent: Agent,
        parts: list[Part],
        size: Size,
        device: str | torch.device = "cpu",
        recorder: Recorder | None = None,
    ) -> None:
        self.device = torch.device(device)
        for part in agent.parts.values():
            part.to(self.device)
        self.update = Update(parts, adam(parts, agent.config.optimiser))
        self.step = Captured(self.update, recorder)
        batch = random_batch(size, torch.Generator().manual_seed(0))
        self.batch = batch.map(lambda array: array.to(self.device))
        self.generator = torch.Generator(self.device).manual_seed(1)
        self.draws = self.update.draws(size.batch_size)

    def __call__(self) -> None:
        """One update."""
        noise = {n: d.sample(self.generator, self.device) for n, d in self.draws.items()}
        self.step(self.batch, noise)


def make_agent(size: Size, precision: str) -> Agent:
    """MAC with the parameters of seed 0."""
    spaces = Spaces(size.observation_dim, 0, size.action_dim)
    return agent_class("mac")(config_of(size, precision), spaces, Init(0))


def joint_update(name: str) -> Stepper:
    """A joint update of the given size in float32, single-threaded."""
    torch.set_num_threads(1)
    agent = make_agent(SIZES[name], "float32")
    return Stepper(agent, list(agent.parts.values()), SIZES[name])


def measure(name: str, rounds: int | None = None) -> dict[str, Any]:
    """Median single-threaded CPU-seconds of everything, the candidates taking turns in each round.

    Ratios are medians over rounds of ratios taken within a round, so that a busy machine moves both
    sides alike.
    """
    size, rounds = SIZES[name], rounds or ROUNDS[name]
    torch.set_num_threads(1)
    plain, mixed = make_agent(size, "float32"), make_agent(size, "bf16")
    todo: dict[str, Callable[[], None]] = {
        "floor_fp32": Floor(size, torch.float32),
        "joint": Stepper(plain, list(plain.parts.values()), size),
        "floor_bf16": Floor(size, torch.bfloat16),
        "joint_bf16": Stepper(mixed, list(mixed.parts.values()), size),
        **{f"stages/{n}": Stepper(plain, [part], size) for n, part in plain.parts.items()},
    }
    times: dict[str, list[float]] = {key: [] for key in todo}
    for index in range(rounds + 1):
        for key, function in todo.items():
            started = time.process_time()
            function()
            if index:  # the first round warms up
                times[key].append(time.process_time() - started)
    cpu = {key: statistics.median(values) for key, values in times.items()}

    def ratio(key: str) -> float:
        pairs = zip(times[key], times["floor_fp32"], strict=True)
        return statistics.median(a / b for a, b in pairs)

    shapes = products(size)
    return {
        "size": name,
        "rounds": rounds,
        "joint_cpu_s": cpu["joint"],
        "joint_bf16_cpu_s": cpu["joint_bf16"],
        "floor_fp32_cpu_s": cpu["floor_fp32"],
        "floor_bf16_cpu_s": cpu["floor_bf16"],
        "joint_over_floor": ratio("joint"),
        "joint_bf16_over_floor": ratio("joint_bf16"),
        "stages": {key.split("/")[1]: v for key, v in cpu.items() if key.startswith("stages/")},
        "floor_gflop": gflop(dict(shapes)),
        "floor_products": [{"m": m, "k": k, "n": n, "times": t} for (m, k, n), t in shapes],
        "hardware": hardware(),
        "packages": package_versions(("torch", "numpy")),
    }


def lines(result: Mapping[str, Any]) -> list[str]:
    """What :func:`measure` found, to be read."""
    costs = {key: result[f"{key}_cpu_s"] for key in ("joint", "joint_bf16")}
    costs |= {key: result[f"{key}_cpu_s"] for key in ("floor_fp32", "floor_bf16")}
    costs |= {f"  {key}": value for key, value in result["stages"].items()}
    found = [f"{key:12} {value:.4f} CPU-s" for key, value in costs.items()]
    return [*found, f"joint / floor {result['joint_over_floor']:.2f}"]
