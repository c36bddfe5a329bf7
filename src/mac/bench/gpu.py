"""Time of a MAC update on a GPU: launched kernel by kernel, replayed, and its products alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from mac.agents.base import Agent
from mac.bench.floor import SIZES, Floor, Size, products
from mac.bench.train import Stepper, make_agent
from mac.planning.work import gflop
from mac.provenance import hardware, package_versions
from mac.training.capture import WARM_UP
from mac.training.device import recorder

ROUNDS = 10
REPEATS = {"quick": 50, "paper": 20}  # updates a round, between two waits for the GPU
STEPS = 8  # after which replayed updates are compared with launched ones

# Precision of the rollouts' networks, and of every other product.
MODES = {
    "float32": ("float32", "ieee"),
    "tf32": ("float32", "tf32"),
    "bf16": ("bf16", "ieee"),
    "bf16_tf32": ("bf16", "tf32"),
}
FLOORS = {
    "float32": (torch.float32, "ieee"),
    "tf32": (torch.float32, "tf32"),
    "bf16": (torch.bfloat16, "ieee"),
}


@contextmanager
def _products(precision: str) -> Iterator[None]:
    """Products of float32 tensors in a precision; a recording keeps the one it was made in."""
    setting = torch.backends.cuda.matmul
    before, setting.fp32_precision = setting.fp32_precision, precision
    try:
        yield
    finally:
        setting.fp32_precision = before


def _stepper(size: Size, mode: str, device: torch.device, *, captured: bool) -> Stepper:
    rollouts, others = MODES[mode]
    agent = make_agent(size, rollouts)
    with _products(others):
        parts = list(agent.parts.values())
        stepper = Stepper(agent, parts, size, device, recorder(device) if captured else None)
        if captured:
            for _ in range(WARM_UP + 1):
                stepper()
    return stepper


def _floor(size: Size, mode: str, device: torch.device) -> Callable[[], None]:
    """All products of an update; replayed on a GPU, where some take less than their launch."""
    dtype, precision = FLOORS[mode]
    floor, graph = Floor(size, dtype, device), recorder(device)
    if graph is None:
        return floor

    def run() -> dict[str, torch.Tensor]:
        floor()
        return {}

    with _products(precision):
        for _ in range(WARM_UP):
            graph.warm_up(run)
        graph.record(run)
    return graph.replay


def _difference(size: Size, device: torch.device) -> float:
    """Largest difference of any parameter after some updates, replayed against launched.

    As a share of the largest entry of the parameter's tensor.
    """
    agents = [make_agent(size, "float32") for _ in range(2)]
    for agent, graph in zip(agents, (None, recorder(device)), strict=True):
        stepper = Stepper(agent, list(agent.parts.values()), size, device, graph)
        for _ in range(STEPS):
            stepper()
    pairs = zip(*(_parameters(agent) for agent in agents), strict=True)
    return max(float((a - b).abs().max() / a.abs().max().clamp_min(1e-12)) for a, b in pairs)


def _parameters(agent: Agent) -> list[torch.Tensor]:
    return [p.detach() for part in agent.parts.values() for p in part.parameters()]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(name: str, rounds: int | None, device: torch.device) -> dict[str, Any]:
    """Median milliseconds of one joint update in every way, all taking turns in each round.

    ``fraction_of_products`` is the time of the update's matrix products alone, in the precision
    that most of them have, over the update's. Ratios are of medians of the same run.
    """
    size, rounds = SIZES[name], rounds or ROUNDS
    todo: dict[str, Callable[[], None]] = {
        "eager": _stepper(size, "float32", device, captured=False)
    }
    todo |= {f"captured/{mode}": _stepper(size, mode, device, captured=True) for mode in MODES}
    todo |= {f"products/{mode}": _floor(size, mode, device) for mode in FLOORS}
    times: dict[str, list[float]] = {key: [] for key in todo}
    repeats = REPEATS[name] if device.type == "cuda" else 1
    for index in range(rounds + 1):
        for key, function in todo.items():
            _wait(device)
            started = time.perf_counter()
            for _ in range(repeats):
                function()
            _wait(device)
            if index:  # the first round warms up
                times[key].append(1000.0 * (time.perf_counter() - started) / repeats)
    ms = {key: statistics.median(values) for key, values in times.items()}
    captured = {mode: ms[f"captured/{mode}"] for mode in MODES}
    alone = {mode: ms[f"products/{mode}"] for mode in FLOORS}
    work = gflop(dict(products(size)))
    return {
        "size": name,
        "rounds": rounds,
        "updates_per_round": repeats,
        "ms": {"eager": ms["eager"], "captured": captured, "products": alone},
        "captured_over_eager": captured["float32"] / ms["eager"],
        "fraction_of_products": {
            mode: alone["bf16" if mode.startswith("bf16") else mode] / captured[mode]
            for mode in MODES
        },
        "products_gflop": work,
        "products_tflop_per_s": {mode: work / value for mode, value in alone.items()},
        "captured_against_eager": {"updates": STEPS, "difference": _difference(size, device)},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "hardware": hardware(),
        "packages": package_versions(("torch", "numpy")),
    }


def lines(result: Mapping[str, Any]) -> list[str]:
    """What :func:`measure` found, to be read."""
    ms = result["ms"]
    costs = {"eager": ms["eager"]}
    costs |= {f"captured {mode}": value for mode, value in ms["captured"].items()}
    costs |= {f"products {mode}": value for mode, value in ms["products"].items()}
    found = [f"{key:20} {value:9.3f} ms" for key, value in costs.items()]
    return [result["device"], *found, f"captured / eager {result['captured_over_eager']:.2f}"]
