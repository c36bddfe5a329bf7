"""What every agent promises, over the registry and both modes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mac.agents.base import registry
from mac.config.load import Layer, resolve
from mac.nets.mlp import Init
from mac.planning.experiment import AgentFile, _read, find
from mac.rng import stream
from mac.training.trainer import Interrupted, Settings, Trainer
from mac.training.update import Update, adam
from mac.types import Batch, Spaces

SMALL = {
    "steps": 6,
    "batch_size": 8,
    "chunk_length": 3,
    "model.hidden_dims": [8],
    "heads.hidden_dims": [8],
    "behaviour": {"hidden_dims": [8], "flow_steps": 2},
    "value": {"hidden_dims": [8], "critic_hidden_dims": [8], "rollout_length": 2},
    "evaluate.num_candidates": 3,
}
CASES = [
    pytest.param(name, mode, id=f"{name}-{mode}")
    for name, cls in registry().items()
    if cls.__module__.startswith("mac.")
    for mode in cls.modes
]


def build(name, mode, seed=0):
    cls = registry()[name]
    path = find("agents", name)
    layers = [
        Layer.of("built in", {"agent": name, "mode": mode}),
        Layer.of(str(path), _read(path, AgentFile).set),
        Layer.of("test", SMALL),
    ]
    spaces = Spaces(4, 2 if mode == "goal" else 0, 2)
    return cls(resolve(layers, cls.Config).config, spaces, Init(seed))


class View:
    """Random batches in place of data."""

    def __init__(self, goal_dim):
        self.goal_dim = goal_dim

    def sample(self, generator, batch_size):
        def normal(*shape):
            return generator.standard_normal((batch_size, *shape), dtype=np.float32)

        return Batch(
            observations=normal(4),
            actions=np.clip(normal(3, 2), -0.99, 0.99),
            rewards=normal(),
            masks=(generator.random(batch_size) > 0.5).astype(np.float32),
            next_observations=normal(4),
            value_goals=normal(self.goal_dim),
            actor_goals=normal(self.goal_dim),
        )


def batch_and_noise(agent, update):
    view = View(agent.spaces.goal_dim)
    batch = view.sample(stream(0, "test"), 8).map(torch.from_numpy)
    generator = torch.Generator().manual_seed(0)
    return batch, {
        name: draw.sample(generator, torch.device("cpu")) for name, draw in update.draws(8).items()
    }


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_losses_are_finite_and_reach_exactly_the_modules_they_name(name, mode):
    agent = build(name, mode)
    parts = list(agent.parts.values())
    update = Update(parts, adam(parts, agent.config.optimiser))
    batch, noise = batch_and_noise(agent, update)
    trained = set()
    for part in parts:
        for loss in part.losses(batch, noise):
            assert torch.isfinite(loss.value), loss.name
            own = [p for module in loss.trains for p in module.parameters()]
            gradients = torch.autograd.grad(loss.value, own, allow_unused=True)
            assert all(g is not None for g in gradients), f"{loss.name} misses what it names"
            assert any(g.abs().sum() > 0 for g in gradients), f"{loss.name} has no gradient"
            assert not trained & {id(p) for p in own}, f"{loss.name} trains what another loss does"
            trained |= {id(p) for p in own}
    update.gradients(batch, noise)
    for part in parts:
        for key, parameter in part.named_parameters():
            assert (parameter.grad is not None) == (id(parameter) in trained), key
    assert trained == {id(p) for part in parts for p in part.parameters() if p.requires_grad}


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_act_keeps_bounds_and_shapes(name, mode):
    agent = build(name, mode)
    if agent.evaluator != "episodes":
        pytest.skip("never acts")
    generator = torch.Generator().manual_seed(0)
    observations = 3 * torch.randn(5, 4, generator=generator)
    goals = torch.randn(5, agent.spaces.goal_dim, generator=generator)
    noise = {
        key: 3 * torch.randn(5, *shape, generator=generator)
        for key, shape in agent.act_noise.items()
    }
    with torch.no_grad():
        actions = agent.act(observations, goals, noise)
        again = agent.act(observations, goals, noise)
        values = agent.value(observations, goals)
    assert actions.shape == (5, 3, 2)
    assert actions.abs().max() <= 1.0
    assert torch.equal(actions, again)
    assert values is None or values.shape == (5,)


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_the_seed_decides_the_initial_parameters(name, mode):
    def flat(seed):
        parts = build(name, mode, seed).parts.values()
        return torch.cat([p.flatten() for part in parts for p in part.parameters()])

    assert torch.equal(flat(1), flat(1))
    assert not torch.equal(flat(1), flat(2))


def trainer(name, mode, folder, view=None):
    agent = build(name, mode)
    settings = Settings(
        name="joint",
        seed=0,
        steps=6,
        batch_size=8,
        optimiser=agent.config.optimiser,
        device=torch.device("cpu"),
        checkpoints=(3, 6),
        log_every=2,
        save_every_s=1e9,
    )
    view = view or View(agent.spaces.goal_dim)
    return Trainer(agent.parts, settings, view, None, folder, folder / "resume")


class Interrupting(View):
    """Sends a termination signal at the n-th batch."""

    def __init__(self, goal_dim, at):
        super().__init__(goal_dim)
        self.at, self.count = at, 0

    def sample(self, generator, batch_size):
        import os
        import signal

        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().sample(generator, batch_size)


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_stopping_and_going_on_equals_never_stopping_byte_for_byte(name, mode, tmp_path):
    goal_dim = 2 if mode == "goal" else 0
    trainer(name, mode, tmp_path / "whole").run()
    with pytest.raises(Interrupted) as stopped:
        trainer(name, mode, tmp_path / "cut", Interrupting(goal_dim, 2)).run()
    assert stopped.value.code == 128 + 15
    assert (tmp_path / "cut" / "resume").exists()
    with pytest.raises(Interrupted):
        trainer(name, mode, tmp_path / "cut", Interrupting(goal_dim, 3)).run()
    trainer(name, mode, tmp_path / "cut").run()
    names = ["step3.safetensors", "checkpoint.safetensors", "metrics.csv"]
    assert sorted(p.name for p in (tmp_path / "cut").iterdir()) == sorted(names)
    for file in names:
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), (
            file
        )


def test_a_loss_that_is_not_finite_stops_training_and_names_it(tmp_path):
    from mac.errors import TrainingError

    class Broken(View):
        def sample(self, generator, batch_size):
            batch = super().sample(generator, batch_size)
            batch.rewards[0] = np.nan
            return batch

    with pytest.raises(TrainingError, match="reward_loss=nan"):
        trainer("mac", "reward", tmp_path, Broken(0)).run()
    assert not (tmp_path / "checkpoint.safetensors").exists()
