"""A toy problem with a known answer: points that move along a line at a speed of their own.

All of an episode of T steps goes from p to q at the speed (q - p) / T. So of a plan that reaches g
from s in so many steps every action is known: it is PACE (g - s) / steps.
"""

import numpy as np
import torch

from mac.agents.base import registry
from mac.config.load import Layer, resolve
from mac.data.normalize import Normalizer
from mac.data.store import Split
from mac.data.views import VIEWS
from mac.nets.mlp import Init
from mac.planning.files import AgentFile, find, read_config
from mac.rng import stream
from mac.training.update import Update, adam
from mac.types import Spaces

STEPS, PACE = 14, 7.0
FLAT = {"hidden_dims": [32], "kernels_down": [], "kernels_up": []}  # enough for a line, and quick
IDENTITY = Normalizer(*(np.full(1, x, np.float32) for x in (0, 1, 0, 1)))


def split(episodes=500):
    """Positions from p to q, both uniform in [-1, 1], as observations and as goals."""
    ends = np.random.default_rng(0).uniform(-1, 1, (2, episodes, 1))
    positions = ends[0] + np.linspace(0, 1, STEPS + 1) * (ends[1] - ends[0])
    positions = positions.reshape(-1, 1).astype(np.float32)
    actions = np.repeat(PACE / STEPS * (ends[1] - ends[0]), STEPS + 1, axis=0)
    lengths = np.full(episodes, STEPS)
    rows = len(positions)
    return Split(
        observations=positions,
        actions=actions.astype(np.float32),
        terminals=np.zeros(rows, np.float32),
        valids=np.ones(rows, np.float32),
        goals=positions,
        rewards=np.zeros((0, rows), np.float32),
        masks=np.zeros((0, rows), np.float32),
        starts=(STEPS + 1) * np.arange(episodes),
        lengths=lengths,
    )


def make(name, values):
    """An agent of the line, from its YAML and further values."""
    cls, path = registry()[name], find("agents", name)
    layers = [
        Layer.of("built in", {"agent": name, "mode": "goal"}),
        Layer.of(str(path), read_config(path, AgentFile).set),
        Layer.of("test", values),
    ]
    return cls(resolve(layers, cls.Config).config, Spaces(1, 1, 1), Init(0))


def train(agent, updates):
    """Train an agent on the line."""
    config, parts = agent.config, list(agent.parts.values())
    view = VIEWS[agent.stages[0].view].configured(config, split(), IDENTITY, None)
    step = Update(parts, adam(parts, config.optimiser), lagged_target=config.lagged_target)
    generator = torch.Generator().manual_seed(0)
    draws = step.draws(config.batch_size)
    for number in range(updates):
        batch = view.sample(stream(0, "line", counter=number), config.batch_size)
        noise = {name: draw.sample(generator, torch.device("cpu")) for name, draw in draws.items()}
        step(batch.map(torch.from_numpy), noise)


@torch.no_grad()
def errors(agent, steps):
    """Root mean squares of the error of plans that take ``steps``, and of the right actions.

    Plans that know nothing of the goal are wrong by more than the right actions' size.
    """
    draws = np.random.default_rng(1)
    starts = draws.uniform(-0.5, 0.5, (200, 1))
    goals = starts + draws.uniform(-0.5, 0.5, (200, 1))
    generator = torch.Generator().manual_seed(2)
    noise = {
        name: torch.randn(200, *shape, generator=generator)
        for name, shape in agent.act_noise.items()
    }
    inputs = (torch.tensor(x, dtype=torch.float32) for x in (starts, goals))
    plans = agent.act(*inputs, noise)[..., 0].numpy()
    wanted = PACE * (goals - starts) / steps
    return np.sqrt(np.mean((plans - wanted) ** 2)), np.sqrt(np.mean(wanted**2))
