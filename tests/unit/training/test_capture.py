"""Captured steps, with a recorder that replays a function: what a GPU's graph does, on any device.

Like a graph it runs nothing while it records, and knows the tensors of that moment alone.
"""

import pytest
import torch

from mac.agents.base import agent_class
from mac.bench.floor import Size, config_of
from mac.bench.train import random_batch
from mac.nets.mlp import Init
from mac.training.capture import WARM_UP, Captured
from mac.training.device import recorder
from mac.training.update import Update, adam
from mac.types import Spaces

SIZE = Size((8, 8), 6, chunk_length=2, rollout_length=2, num_candidates=2, flow_steps=2)


class Recording:
    """Replays the recorded function into the results it gave first."""

    def __init__(self, parameters):
        self.parameters, self.done = parameters, []

    def warm_up(self, function):
        self.done.append("warm up")
        return function()

    def record(self, function):
        self.done.append("record")
        self.function = function
        before = [p.detach().clone() for p in self.parameters]
        self.results = function()
        with torch.no_grad():
            for parameter, value in zip(self.parameters, before, strict=True):
                parameter.copy_(value)
        return self.results

    def replay(self):
        self.done.append("replay")
        for name, value in self.function().items():
            self.results[name].copy_(value)


class Unfit(Recording):
    def record(self, function):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")


class Training:
    """A joint MAC update with whatever it changes."""

    def __init__(self):
        agent = agent_class("mac")(config_of(SIZE), Spaces(28, 0, 5), Init(0))
        self.parts = list(agent.parts.values())
        self.optimiser = adam(self.parts, agent.config.optimiser)
        self.update = Update(self.parts, self.optimiser)
        self.generator = torch.Generator().manual_seed(1)

    @property
    def tensors(self):
        parameters = [p for part in self.parts for p in part.parameters()]
        return [*parameters, *self.optimiser.tensors().values()]

    def run(self, step, count):
        """Metrics of some steps, each with its own batch, noise and learning rate."""
        found = []
        for index in range(count):
            batch = random_batch(SIZE, self.generator)
            draws = self.update.draws(SIZE.batch_size)
            noise = {n: d.sample(self.generator, torch.device("cpu")) for n, d in draws.items()}
            self.optimiser.set_learning_rate(1e-2 / (1 + index))
            found.append({name: float(value) for name, value in step(batch, noise).items()})
        return found


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_replayed_steps_equal_plain_ones_to_the_byte():
    plain, captured = Training(), Training()
    recording = Recording(captured.tensors)
    expected = plain.run(plain.update, 8)
    assert captured.run(Captured(captured.update, recording), 8) == expected
    assert all(torch.equal(a, b) for a, b in zip(plain.tensors, captured.tensors, strict=True))
    assert recording.done == ["warm up"] * WARM_UP + ["record"] + ["replay"] * (8 - WARM_UP)


def test_a_step_that_cannot_be_recorded_runs_as_it_is(capsys):
    plain, captured = Training(), Training()
    expected = plain.run(plain.update, 6)
    assert captured.run(Captured(captured.update, Unfit(captured.tensors)), 6) == expected
    said = capsys.readouterr().err
    assert said == (
        "the update is not captured: operation not permitted when stream is capturing\n"
    )


def test_nothing_is_recorded_on_a_cpu():
    assert recorder(torch.device("cpu")) is None
    calls = []
    step = Captured(lambda batch, noise: calls.append((batch, noise)) or {}, None)
    assert step("batch", "noise") == {} and calls == [("batch", "noise")]
