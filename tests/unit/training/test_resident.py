"""A training set on a device gives the bytes of one on disk, and is there only where it fits."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mac.agents.base import registry
from mac.data import scattered
from mac.data.build import build
from mac.data.collect import collect
from mac.data.scattered import Scattered
from mac.data.store import Store
from mac.data.views import VIEWS, Rotation
from mac.errors import DeviceError
from mac.rng import stream
from mac.training import resident as module
from mac.training.resident import Resident, chosen, resident
from tests.specs import POINTMASS

CPU = torch.device("cpu")
# An agent for each view in each mode.
AGENTS = {
    (stage.view, mode): name
    for name, agent in sorted(registry().items(), reverse=True)
    for mode in agent.modes
    for stage in agent.stages
    if stage.view
}


SHORT = {"hidden_dims": [32, 64], "kernels_down": [4], "kernels_up": [4]}
VALUES = {  # where those of the class need longer episodes
    "diffuser": {"plan": {"rows": 24, **SHORT}},
    "hd_da": {"high": {"rows": 4, **SHORT}, "low": {"rows": 6, **SHORT}},
}


@pytest.fixture(scope="module")
def raw_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    shards = [folder / f"pointmass-play-v0-{index:03d}.npz" for index in range(2)]
    held_out = folder / "pointmass-play-v0-val.npz"
    for seed, path in enumerate(shards):
        sizes = {"train_episodes": 6, "episode_length": 150, "seed": seed, "workers": 1}
        collect(POINTMASS, path, held_out, **sizes, resume_dir=folder / "resume")
    return shards, [held_out]


@pytest.fixture(scope="module", params=["float32", "float16", "bfloat16"])
def store(request, raw_files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    build(*raw_files, POINTMASS, folder, precision=request.param)
    return Store.open(folder)


def batches(split, store, name, mode, view):
    """Of an agent, from all shards and from the second alone."""
    config = registry()[name].Config.model_validate(
        {"agent": name, "mode": mode, **VALUES.get(name, {})}
    )
    normalizer = store.normalizer("validation")

    def make(part):
        return VIEWS[view].configured(config, part, normalizer, 2)

    for found in (make(split), Rotation(make, split.shards(), 3).at(4)):
        yield found.sample(stream(0, "test"), 64)


@pytest.mark.parametrize(("view", "mode"), AGENTS)
def test_batches_have_the_same_bytes_wherever_they_are_gathered(store, view, mode):
    name = AGENTS[view, mode]
    split = store.split("train")
    pairs = zip(
        batches(split, store, name, mode, view),
        batches(resident(split, CPU), store, name, mode, view),
        strict=True,
    )
    for on_disk, there in pairs:
        gathered = 0
        for key, array in vars(on_disk).items():
            other = vars(there)[key]
            gathered += torch.is_tensor(other)
            other = other.numpy() if torch.is_tensor(other) else other
            assert other.dtype == array.dtype == np.float32, key
            assert other.shape == array.shape and other.tobytes() == array.tobytes(), key
        assert gathered


def test_every_view_is_compared():
    assert {view for view, _ in AGENTS} == set(VIEWS)


def test_what_is_read_is_brought_there_once_and_what_is_not_never(store, monkeypatch):
    sent = []
    whole = module.moved
    monkeypatch.setattr(module, "moved", lambda a, d: sent.append(a.nbytes) or whole(a, d))
    split = store.split("train")
    there = resident(split, CPU)
    for _ in batches(there, store, "gciql", "goal", "transitions"):
        pass
    assert there.rewards.__dict__.keys() == {"_array", "_device"}
    once = sum(sent)
    assert once >= sum(getattr(split, key).nbytes for key in ("observations", "actions", "goals"))
    for _ in batches(there, store, "gciql", "goal", "transitions"):
        pass
    assert sum(sent) - once < 0.2 * once  # the numbers of rows alone


def test_large_arrays_arrive_block_by_block(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(module, "BLOCK_BYTES", 100)
    array = np.random.default_rng(0).normal(size=(1001, 3)).astype(np.float32)
    np.save(tmp_path / "rows.npy", array)
    rows = np.array([[0, 1000], [7, 8]])
    for source in (array, Scattered.of(np.load(tmp_path / "rows.npy", mmap_mode="r"))):
        assert np.array_equal(Resident(source, CPU)[rows].numpy(), array[rows])
    assert "to cpu" in capsys.readouterr().err


@pytest.fixture
def decide(monkeypatch, store):
    """Where a training set of so many goal-mode bytes is kept, with so much memory free."""

    def free(wanted, device, memory):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (memory, 2 * memory))
        monkeypatch.setattr(module, "memory_bytes", lambda: memory)
        config = SimpleNamespace(mode="goal", compute=SimpleNamespace(store=wanted))
        split = store.split("train")
        found = chosen(split, config, torch.device(device))
        return isinstance(found.observations, Resident)

    split = store.split("train")
    needed = sum(getattr(split, key).nbytes for key in ("observations", "actions", "goals"))
    enough = int(needed / module.SHARE) + 1
    return free, enough


@pytest.mark.parametrize(
    ("wanted", "device", "fits", "there"),
    [
        ("auto", "cuda", True, True),
        ("auto", "cuda", False, False),
        ("auto", "cpu", True, False),
        ("device", "cuda", True, True),
        ("device", "cpu", True, True),
        ("disk", "cuda", True, False),
    ],
)
def test_where_it_is_kept(decide, capsys, wanted, device, fits, there):
    free, enough = decide
    assert free(wanted, device, enough if fits else enough - 2) == there
    lines = capsys.readouterr().err.splitlines()
    silent = wanted == "disk" or (wanted, device) == ("auto", "cpu")
    assert len(lines) == (0 if silent else 1)
    if lines:
        assert (f"kept on {device}" if there else "read from disk") in lines[0]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_does_not_fit_is_refused_if_it_must(decide, device):
    free, enough = decide
    with pytest.raises(
        DeviceError, match=r"compute.store: .* does not fit on .*; found .*"
    ) as info:
        free("device", device, enough - 2)
    assert "\n" not in str(info.value) and "at most" in str(info.value)


def test_a_split_too_large_for_memory_is_brought_there_all_the_same(store, monkeypatch):
    expected = list(batches(store.split("train"), store, "gciql", "goal", "transitions"))
    monkeypatch.setattr(scattered, "memory_bytes", lambda: 1000)
    split = Store.open(store.directory).split("train")
    assert isinstance(split.observations, Scattered)
    there = batches(resident(split, CPU), store, "gciql", "goal", "transitions")
    for one, other in zip(expected, there, strict=True):
        assert np.array_equal(one.observations, other.observations.numpy())
