"""Reading of data that memory cannot hold: what is measured; how fast it is is no test."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from mac.bench import reading, synthetic
from mac.cli import main
from mac.data import scattered
from mac.data.scattered import Scattered
from mac.data.store import Store
from mac.errors import DataError

TRANSITIONS = 20_000


@pytest.mark.parametrize("memory", [2**40, 2**20], ids=["fits", "does not fit"])
def test_what_is_measured_of_a_store_of_noise(tmp_path, monkeypatch, memory):
    for module in (scattered, reading):
        monkeypatch.setattr(module, "memory_bytes", lambda: memory)
    arguments = ["bench", "data", "--transitions", str(TRANSITIONS), "--folder", str(tmp_path)]
    result = CliRunner().invoke(main, [*arguments, "--seconds", "0.01"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(tmp_path.iterdir()) == []
    assert found["transitions"] == TRANSITIONS
    assert found["store"]["bytes"] > 20_020 * 132 * 4
    assert found["store"]["memory_bytes"] == memory
    assert found["store"]["scattered"] == (memory == 2**20)
    assert found["process"]["own_bytes"] > 0 and found["process"]["page_cache_bytes"] > 0
    for mode in ("goal", "reward"):
        one = found["modes"][mode]
        assert one["open_s"] > 0 and one["first_batch_s"] > 0
        for kind in ("cold", "cached", "in_memory", "on_device"):
            assert one[kind]["batches"] > 0 and one[kind]["cpu_ms_per_batch"] > 0
            rate = one[kind]["batches_per_s"]
            assert one[kind]["transitions_per_s"] == pytest.approx(10240 * rate)
        assert one["cold"]["bytes_read_per_batch"] >= 0
        assert one["on_device"]["rows"] == one["in_memory"]["rows"]
        assert one["on_device"]["device"] == "cpu"
        for wait in one["wait_per_step"].values():
            assert 0 < wait["cold"]["median_ms"] <= wait["cold"]["largest_ms"]


def test_the_store_of_noise_is_a_store(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "BLOCK", 1 << 16)
    size = synthetic.write(tmp_path, TRANSITIONS)
    files = list(tmp_path.glob("*.npy"))
    assert size == sum(file.stat().st_size for file in files)
    assert all(512 * file.stat().st_blocks >= file.stat().st_size for file in files)  # not sparse
    split = Store.open(tmp_path).split("train")
    assert split.observations.shape == (20_020, 91) and split.rewards.shape == (5, 20_020)
    assert split.lengths.tolist() == [1000] * 20 and split.starts[-1] == 19 * 1001
    assert np.abs(split.observations).max() < 1 and split.observations.std() > 0.5
    flat = np.asarray(split.observations).reshape(-1)
    # every block is the same noise; only the first begins with NumPy's header
    assert np.array_equal(flat[(1 << 14) - 32 :][: 1 << 14], flat[(2 << 14) - 32 :][: 1 << 14])
    assert len(np.unique(flat[: 1 << 14])) > 16_000


def test_a_disk_without_room_is_left_alone(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(DataError, match=r"not enough room on the disk; found 1\.0 GB free"):
        synthetic.write(tmp_path, 100_000_000)
    assert list(tmp_path.iterdir()) == []


def test_rows_in_memory_are_the_first_of_the_store(tmp_path, monkeypatch):
    synthetic.write(tmp_path, TRANSITIONS)
    monkeypatch.setattr(reading, "IN_MEMORY", 3500)
    monkeypatch.setattr(scattered, "memory_bytes", lambda: 2**20)
    split = Store.open(tmp_path).split("train")
    held = reading._in_memory(split)
    assert isinstance(split.observations, Scattered) and type(held.observations) is np.ndarray
    assert len(held.lengths) == 3 and len(held.valids) == held.rewards.shape[1] == 3 * 1001
    assert np.array_equal(held.goals, split.goals[:3003])
