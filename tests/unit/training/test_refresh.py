"""When refreshes are due, with which draws, and that what they make is saved and found again."""

import pytest
import torch
from torch import nn

from mac.components.part import Draw, Part, Refresh
from mac.config.schema import OptimiserConfig
from mac.errors import CheckpointError
from mac.training import checkpoint
from mac.training.refresh import Refreshing
from mac.training.trainer import Settings, Trainer
from tests.contracts.test_agents import View, build
from tests.unit.training.test_capture import Recording, Unfit


@pytest.mark.parametrize(
    ("every", "first", "due"),
    [
        (3, 2, {1: [0, 1], 3: [2], 6: [3]}),
        (1, 1, {1: [0, 1], 2: [2], 3: [3], 4: [4], 5: [5], 6: [6]}),
        (4, 0, {4: [0]}),
        (1000, 5, {1: [0, 1, 2, 3, 4]}),
    ],
)
def test_numbers_of_refreshes_follow_one_another(every, first, due):
    refresh = Refresh(every, first, rows=1)
    found = {step: refresh.due(step) for step in range(1, 7)}
    assert {step: numbers for step, numbers in found.items() if numbers} == due
    assert Refresh(1000, 5, 1).due(1000) == [5] and Refresh(1000, 5, 1).due(1001) == []


class Keeper(Part):
    """Keeps the sum of its weight, of a batch and of noise."""

    def __init__(self):
        super().__init__()
        self.weight, self.kept, self.counts = nn.Parameter(torch.ones(())), None, []

    @property
    def refreshes(self):
        return Refresh(2, 1, rows=5, draws={"z": Draw((3,))})

    def refresh(self, batch, noise, count):
        assert not torch.is_grad_enabled()
        self.kept = self.weight + batch + noise["z"].sum()
        self.counts.append(count)

    def memory(self):
        return {} if self.kept is None else {"kept": self.kept}

    def remember(self, memory):
        self.kept = memory["kept"]


def refreshing(calls=None):
    calls = [] if calls is None else calls

    def batch(step, purpose, counter, rows):
        calls.append((purpose, counter, rows))
        return torch.tensor(10.0 * counter)

    def noise(purpose, counter, draws):
        calls.append((purpose, counter, list(draws)))
        return {name: torch.ones(draw.shape) for name, draw in draws.items()}

    whole = Part()
    whole.inner = Keeper()
    return whole.inner, Refreshing({"agent": whole, "other": Part()}, batch, noise)


def test_parts_at_any_depth_are_refreshed_each_from_its_own_draws():
    calls = []
    keeper, all_of_them = refreshing(calls)
    for step in (1, 2, 3, 4):
        all_of_them.before(step)
    assert keeper.counts == [0, 1, 2]
    assert calls[:2] == [("refresh agent.inner", 0, 5), ("refresh noise agent.inner", 0, ["z"])]
    assert float(keeper.kept) == 1.0 + 20.0 + 3.0


def test_what_is_kept_is_found_again():
    keeper, one = refreshing()
    assert one.tensors() == {}
    one.before(1)
    saved = one.tensors()
    assert list(saved) == ["memory.agent.inner.kept"]
    again, other = refreshing()
    other.load(saved | {"memory.agent.inner2.kept": torch.zeros(())}, "file")
    assert torch.equal(again.kept, keeper.kept)
    with pytest.raises(CheckpointError, match="lacks what a part keeps"):
        other.load({}, "file")


def trainer(folder, device="cpu"):
    agent = build("mopo", "goal")
    settings = Settings(
        name="agent",
        seed=0,
        steps=8,
        batch_size=8,
        optimiser=OptimiserConfig(learning_rate=0.01),
        device=torch.device(device),
        checkpoints=(8,),
        log_every=1,
    )
    return Trainer(
        agent.parts, settings, View().of(agent), None, folder, folder.with_suffix(".state")
    )


def test_checkpoints_are_without_what_is_kept_and_the_state_is_not(tmp_path):
    one = trainer(tmp_path / "one")
    one.run()
    tensors, _ = checkpoint.load(tmp_path / "one" / "checkpoint.safetensors")
    assert not [name for name in tensors if "memory" in name or "imagined" in name]
    one._save()
    tensors, _ = checkpoint.load(one.resume)
    assert [name for name in tensors if name.startswith("memory.agent.imagined.")]


@pytest.mark.parametrize("kind", [Recording, Unfit])
def test_a_recorded_update_sees_what_refreshes_change(kind, tmp_path):
    """The recording is of updates 4 on; refreshes before updates 4, 6 and 8 must reach it."""
    plain, captured = trainer(tmp_path / "plain"), trainer(tmp_path / "captured")
    changed = [p for part in captured.parts.values() for p in part.parameters()]
    captured.step._recorder = kind([*changed, *captured.optimiser.tensors().values()])
    for one in (plain, captured):
        one.run()
    for name in ("checkpoint.safetensors", "metrics.csv"):
        files = [(tmp_path / folder / name).read_bytes() for folder in ("plain", "captured")]
        assert files[0] == files[1], name


def test_the_trainer_refreshes_right_before_the_updates_that_are_due(tmp_path, monkeypatch):
    one, events = trainer(tmp_path / "one"), []
    refresh, step = one.refreshing.refresh, one.step

    def noted(name, count, step):
        events.append((name, count))
        refresh(name, count, step)

    monkeypatch.setattr(one.refreshing, "refresh", noted)
    monkeypatch.setattr(one, "step", lambda *inputs: events.append("update") or step(*inputs))
    one.run()
    kept = [("agent.imagined", count) for count in range(6)]
    expected = [*kept[:2], "update", kept[2], "update", "update", kept[3], "update", "update"]
    assert events == [*expected, kept[4], "update", "update", kept[5], "update"]
