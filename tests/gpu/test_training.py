"""Training on a GPU against itself: replayed against launched updates, resumed against whole runs.

``pytest tests/gpu --device cuda``; on a CPU, as in the suite, they say that the tests work.
"""

import numpy as np
import pytest
import torch

from mac.agents.base import agent_class
from mac.bench.baseline import make_trainer, random_split
from mac.bench.floor import Size, config_of
from mac.bench.train import random_batch
from mac.config.schema import ActorGoals, OptimiserConfig, ValueGoals
from mac.data.normalize import Normalizer
from mac.data.views import Chunks
from mac.nets.mlp import Init
from mac.rng import stream
from mac.training.capture import WARM_UP, Captured
from mac.training.device import on_device, recorder
from mac.training.resident import resident
from mac.training.trainer import Settings, Trainer
from mac.training.update import Update, adam
from mac.types import Spaces
from tests.contracts.test_agents import TRAINED, batch_and_noise, build, parameters
from tests.parity.families.mac import POLICIES

SIZE = Size((64, 64), 32, chunk_length=4, rollout_length=3, num_candidates=4, flow_steps=4)
AGENTS = ("mac", "mac_gau", "mac_fql", "flow_bc")
STEPS = WARM_UP + 6


@pytest.fixture
def device(request):
    return torch.device(request.config.getoption("--device"))


def parts_of(name, precision="float32"):
    cls = agent_class(name)
    config = config_of(SIZE, precision).model_dump()
    config["behaviour"]["policy"] = POLICIES.get(name, config["behaviour"]["policy"])
    config = cls.Config.model_validate({**config, "agent": name})
    return list(cls(config, Spaces(28, 0, 5), Init(0)).parts.values()), config.optimiser


def trained(name, device, graph, precision):
    parts, config = parts_of(name, precision)
    for part in parts:
        part.to(device)
    update = Update(parts, adam(parts, config))
    step = Captured(update, graph)
    inputs = torch.Generator().manual_seed(0)
    for index in range(STEPS):
        batch = random_batch(SIZE, inputs).map(lambda array: array.to(device))
        batch.actions.mul_(0.9)  # the squashed Gaussian has no density at the ends of the range
        draws = update.draws(SIZE.batch_size).items()
        noise = {n: d.sample(inputs, torch.device("cpu")).to(device) for n, d in draws}
        update.optimiser.set_learning_rate(1e-3 / (1 + index))
        metrics = {n: float(v) for n, v in step(batch, noise).items()}
    return [p.detach().cpu() for part in parts for p in part.parameters()], metrics


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("name", AGENTS)
def test_replayed_updates_equal_launched_ones(name, precision, device, capsys):
    launched, expected = trained(name, device, None, precision)
    replayed, found = trained(name, device, recorder(device), precision)
    assert "not captured" not in capsys.readouterr().err
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    for one, other in zip(launched, replayed, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=5e-6)


def refreshed(name, device, graph):
    """As ``trained``, of an agent of one stage; what it keeps is refreshed after the recording."""
    trainer = make_trainer(name, Size((64, 64), 32), device)
    trainer.step = Captured(trainer._step, graph)
    for step in range(1, STEPS + 1):
        trainer.refreshing.before(step)
        if step == WARM_UP + 3:
            for key, part in trainer.refreshing.keepers.items():
                trainer.refreshing.refresh(key, part.refreshes.first)
        batch = trainer.moved(trainer.drawn(trainer.view, "batch", step))
        metrics = trainer.step(batch, trainer.noise("noise", step))
    parameters = [p.detach().cpu() for part in trainer.parts.values() for p in part.parameters()]
    return parameters, {n: float(v) for n, v in metrics.items()}


@pytest.mark.parametrize("name", ["mopo", "mobile", "leq_fixed"])
def test_replayed_updates_see_what_is_refreshed(name, device, capsys):
    launched, expected = refreshed(name, device, None)
    replayed, found = refreshed(name, device, recorder(device))
    assert "not captured" not in capsys.readouterr().err
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    for one, other in zip(launched, replayed, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=5e-6)


def test_a_recording_keeps_what_it_reads(device):
    graph = recorder(device)
    if graph is None:
        pytest.skip("nothing is recorded on a CPU")
    result, read = torch.zeros(1000, device=device), torch.ones(1000, device=device)

    def double(read=read):
        result.copy_(2.0 * read)
        return {}

    graph.warm_up(double)
    graph.record(double)
    del double, read
    torch.cuda.empty_cache()
    noise = torch.full((1000,), 7.0, device=device)
    graph.replay()
    assert result.eq(2.0).all() and noise.eq(7.0).all()


def shrunk(array):
    return array * 0.9 if array.is_floating_point() else array


@pytest.mark.parametrize(("name", "mode"), TRAINED)
def test_every_update_is_recorded(name, mode, device, capsys):
    def trained(graph):
        agent = build(name, mode)
        parts = [part.to(device) for part in agent.parts.values()]
        update = Update(parts, adam(parts, OptimiserConfig()))
        batch, noise = batch_and_noise(agent, update, device)
        step = Captured(update, graph)
        for _ in range(WARM_UP + 3):
            batch = batch.map(shrunk)
            noise = {n: shrunk(x) for n, x in noise.items()}
            metrics = {n: float(v) for n, v in step(batch, noise).items()}
        return parameters(agent), metrics

    (launched, expected), (replayed, found) = trained(None), trained(recorder(device))
    assert "not captured" not in capsys.readouterr().err
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)
    for key, parameter in launched.items():
        torch.testing.assert_close(parameter, replayed[key], rtol=1e-4, atol=1e-4, msg=key)


@pytest.mark.parametrize("mode", ["goal", "reward"])
def test_batches_gathered_on_the_device_have_the_same_bytes(mode, device):
    split = random_split(SIZE, 3)
    normalizer = Normalizer(*(np.full(n, v, np.float32) for n in (28, 3) for v in (0.1, 0.7)))
    goals = {"value_goals": ValueGoals(), "actor_goals": ActorGoals()}
    on_disk, there = (
        on_device(
            Chunks(part, normalizer, 4, 0.99, mode, 1, **goals).sample(stream(0, "test"), 256),
            device,
        )
        for part in (split, resident(split, device))
    )
    for name, array in vars(on_disk).items():
        other = vars(there)[name]
        assert other.device == array.device and torch.equal(other, array), name


class View:
    """Random batches, a function of the generator."""

    def at(self, step):
        return self

    def sample(self, generator, batch_size):
        seed = int(generator.integers(2**31))
        return random_batch(SIZE, torch.Generator().manual_seed(seed)).map(torch.Tensor.numpy)


def run(folder, device, stop=None):
    """Weights after 12 updates; with ``stop``, of two processes' worth of work."""
    parts, _ = parts_of("flow_bc")
    settings = Settings(
        "behaviour", 0, 12, SIZE.batch_size, OptimiserConfig(), device, (12,), save_every_s=1e9
    )
    trainer = Trainer({"behaviour": parts[0]}, settings, View(), None, folder, folder / "state")
    folder.mkdir(exist_ok=True)
    if stop:
        trainer.step, count = _stopping(trainer, stop), stop
        with pytest.raises(KeyboardInterrupt):
            trainer.run()
        assert trainer.state.step == count
        trainer._save()
        return run(folder, device)
    trainer.run()
    return (folder / "checkpoint.safetensors").read_bytes()


def _stopping(trainer, stop):
    step = trainer.step

    def limited(batch, noise):
        if trainer.state.step == stop:
            raise KeyboardInterrupt
        return step(batch, noise)

    return limited


def test_a_resumed_run_gives_the_bytes_of_a_whole_one(tmp_path, device):
    whole = run(tmp_path / "whole", device)
    assert run(tmp_path / "again", device) == whole
    assert run(tmp_path / "parts", device, stop=7) == whole
