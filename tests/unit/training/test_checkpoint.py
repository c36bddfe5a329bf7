import pytest
import torch
from torch import nn

from mac.config.schema import OptimiserConfig
from mac.errors import CheckpointError
from mac.training import checkpoint
from mac.training.optimiser import Adam


@pytest.fixture
def trained():
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    optimiser = Adam(module.parameters(), OptimiserConfig())
    module(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    return module, optimiser


def test_round_trip_and_equal_bytes(tmp_path, trained):
    module, optimiser = trained
    tensors = {
        **checkpoint.module_tensors({"m": module}),
        **optimiser.tensors(),
    }
    for name in ("a", "b"):
        checkpoint.save(tmp_path / name, tensors, {"step": 7, "rows": [{"x": 0.5}]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    found, meta = checkpoint.load(tmp_path / "a")
    assert meta == {"step": 7, "rows": [{"x": 0.5}]}
    fresh = nn.Linear(3, 2)
    other = Adam(fresh.parameters(), OptimiserConfig())
    checkpoint.load_modules({"m": fresh}, found, tmp_path / "a")
    other.load(found, "a")
    again = {**checkpoint.module_tensors({"m": fresh}), **other.tensors()}
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[key], tensors[key]) for key in tensors)


def test_missing_damaged_or_foreign_files_are_named(tmp_path, trained):
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors: no such checkpoint"):
        checkpoint.load(path)
    checkpoint.save(path, checkpoint.module_tensors({"m": trained[0]}), {})
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"\0" * 64):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors: not a readable"):
            checkpoint.load(path)
    path.write_bytes(content)
    tensors, _ = checkpoint.load(path)
    with pytest.raises(CheckpointError, match="does not fit part m"):
        checkpoint.load_modules({"m": nn.Linear(4, 2)}, tensors, path)
