"""Cost of an update of an agent of one stage, and of what it makes anew between updates."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mac.agents.base import agent_class, registry
from mac.bench.floor import SIZES, Size
from mac.config.baselines import ImaginedConfig, WholeConfig
from mac.config.load import Layer, resolve
from mac.config.schema import NetworkConfig
from mac.data.normalize import Normalizer
from mac.data.store import Split
from mac.data.views import VIEWS
from mac.errors import ConfigError
from mac.nets.mlp import Init
from mac.provenance import hardware, package_versions
from mac.training.capture import WARM_UP
from mac.training.trainer import Settings, Trainer
from mac.types import Spaces

ROUNDS = {"cpu": 5, "cuda": 10}
REPEATS = {"cpu": 10, "cuda": 100}  # updates a round
EPISODES, LENGTH = 20, 500  # of the random data that batches are drawn from


def config_of(name: str, size: Size) -> WholeConfig:
    """The agent at a size, in reward mode if it knows it; its own values elsewhere.

    Imagined rows are as many as real ones, half of the size's batch, and the states from which a
    refresh rolls out are in proportion to them.
    """
    cls = agent_class(name)
    if not issubclass(cls.Config, WholeConfig):
        known = [n for n, c in registry().items() if issubclass(c.Config, WholeConfig)]
        raise ConfigError(
            "not measured", key="--agent", found=name, expected=", ".join(["mac", *known])
        )
    mode = "reward" if "reward" in cls.modes else "goal"
    values: dict[str, Any] = {"agent": name, "mode": mode, "batch_size": size.batch_size}
    for section, field in cls.Config.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, NetworkConfig):
            values[section] = {"hidden_dims": size.hidden_dims}
        if kind is ImaginedConfig:
            default, rows = ImaginedConfig(), size.batch_size // 2
            starts = default.starts * rows // default.batch_size
            values |= {"batch_size": rows, section: {"batch_size": rows, "starts": starts}}
    return resolve([Layer.of(f"{name} at this size", values)], cls.Config).config


def random_split(size: Size, goal_dim: int) -> Split:
    """Episodes of noise."""
    generator, rows = np.random.default_rng(0), EPISODES * (LENGTH + 1)
    starts = np.arange(EPISODES) * (LENGTH + 1)
    final = np.isin(np.arange(rows), starts + LENGTH)

    def normal(*shape: int) -> np.ndarray:
        return generator.standard_normal((rows, *shape), dtype=np.float32)

    return Split(
        observations=normal(size.observation_dim),
        actions=np.tanh(normal(size.action_dim)),
        terminals=(final | np.append(final[1:], False)).astype(np.float32),
        valids=1.0 - final.astype(np.float32),
        goals=normal(goal_dim),
        rewards=normal()[None],
        masks=np.ones((1, rows), np.float32),
        starts=starts,
        lengths=np.full(EPISODES, LENGTH),
    )


def make_trainer(name: str, size: Size, device: torch.device) -> Trainer:
    """Training of the agent on noise, which is never run to its end and writes nothing."""
    config, cls = config_of(name, size), agent_class(name)
    goal_dim = size.observation_dim if config.mode == "goal" else 0
    spaces = Spaces(size.observation_dim, goal_dim, size.action_dim)
    unit = {"min": [-1.0], "max": [1.0]}
    spread = {key: {k: d * v for k, v in unit.items()} for key, d in _widths(spaces).items()}
    normalizer = Normalizer.from_statistics({"validation": spread}, "none")
    split = random_split(size, goal_dim)
    settings = Settings(
        name="agent",
        seed=0,
        steps=1,
        batch_size=config.batch_size,
        optimiser=config.optimiser,
        device=device,
        checkpoints=(1,),
        lagged_target=config.lagged_target,
    )
    view = VIEWS[cls.stages[0].view].configured(config, split, normalizer, 1)
    parts = cls(config, spaces, Init(0)).parts
    return Trainer(parts, settings, view, None, Path(), Path())


def _widths(spaces: Spaces) -> dict[str, int]:
    return {"observations": spaces.observation_dim, "goals": spaces.goal_dim}


class _Clock:
    """CPU-seconds of one thread, or seconds of a GPU that is waited for."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def time(self, function: Callable[[], None], times: int = 1) -> float:
        """Seconds of a call."""
        started = self._now()
        for _ in range(times):
            function()
        return (self._now() - started) / times

    def _now(self) -> float:
        if self.device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()


def measure(agent: str, name: str, rounds: int | None, device: torch.device) -> dict[str, Any]:
    """Median seconds of an update and of a refresh, batches and noise included, in turns.

    ``refresh_over_updates`` is the time of a refresh over that of the updates between two, a median
    over rounds of ratios within a round; None where the agent refreshes nothing. Only the size
    ``paper`` is the original's; ``sizes`` says what was run.
    """
    torch.set_num_threads(1)
    size, clock = SIZES[name], _Clock(device)
    trainer = make_trainer(agent, size, device)
    keepers = trainer.refreshing.keepers
    steps = iter(range(10**9))

    def update() -> None:
        step = next(steps)
        batch = trainer.moved(trainer.drawn(trainer.view, "batch", step))
        trainer.step(batch, trainer.noise("noise", step))

    def refresh() -> None:
        for key, part in keepers.items():
            trainer.refreshing.refresh(key, part.refreshes.first + next(steps))

    trainer.refreshing.before(1)
    for _ in range(WARM_UP + 1):
        update()
    repeats, every = REPEATS[device.type], [part.refreshes.every for part in keepers.values()]
    updates, refreshes = [], []
    for _ in range(rounds or ROUNDS[device.type]):
        updates.append(clock.time(update, repeats))
        refreshes.append(clock.time(refresh))
    cost = {"update_s": statistics.median(updates)}
    if keepers:
        pairs = zip(refreshes, updates, strict=True)
        cost |= {
            "refresh_s": statistics.median(refreshes),
            "updates_between": every[0],
            "refresh_over_updates": statistics.median(r / (every[0] * u) for r, u in pairs),
        }
    config = config_of(agent, size)
    return {
        "agent": agent,
        "size": name,
        "reduced": name != "paper",
        "seconds_are": "CPU-seconds of one thread" if device.type == "cpu" else "seconds",
        "sizes": {
            "hidden_dims": list(size.hidden_dims),
            "batch_size": config.batch_size,
            **{
                key: {part: getattr(section, part) for part in type(section).model_fields}
                for key, section in [("imagined", getattr(config, "imagined", None))]
                if section is not None
            },
        },
        **cost,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "hardware": hardware(),
        "packages": package_versions(("torch", "numpy")),
    }


def lines(result: Mapping[str, Any]) -> list[str]:
    """What :func:`measure` found, to be read."""
    size = f"{result['agent']}, size {result['size']}"
    size += ", smaller than the paper's" if result["reduced"] else ""
    found = [f"{size}; {result['seconds_are']}", f"update   {result['update_s']:.4f}"]
    if "refresh_s" in result:
        found.append(f"refresh  {result['refresh_s']:.4f}")
        share, count = 100.0 * result["refresh_over_updates"], result["updates_between"]
        found.append(f"refresh / {count} updates {share:.1f} %")
    return found
