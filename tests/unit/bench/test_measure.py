"""Benchmarks print numbers under the names that others read; how large they are is no test."""

import json

import torch
from click.testing import CliRunner

from mac.bench import gpu
from mac.cli import main


def printed(*arguments):
    result = CliRunner().invoke(main, ["bench", *arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_no_rounds_measure_nothing():
    result = CliRunner().invoke(main, ["bench", "train", "--rounds", "0"])
    assert result.exit_code == 2 and "--rounds" in result.stderr


def test_train_prints_the_costs_of_updates_and_of_their_floor():
    found = printed("train", "--size", "quick", "--rounds", "1", "--json")
    costs = ("joint_cpu_s", "joint_bf16_cpu_s", "floor_fp32_cpu_s", "floor_bf16_cpu_s")
    assert all(found[key] > 0 for key in costs)
    assert found["joint_over_floor"] == found["joint_cpu_s"] / found["floor_fp32_cpu_s"]
    assert found["joint_bf16_over_floor"] == found["joint_bf16_cpu_s"] / found["floor_fp32_cpu_s"]
    assert list(found["stages"]) == ["behaviour", "heads", "model", "value"]
    assert all(cost > 0 for cost in found["stages"].values())
    products = found["floor_products"]
    flop = sum(2 * p["m"] * p["k"] * p["n"] * p["times"] for p in products)
    assert flop / 1e9 == found["floor_gflop"]


def test_a_gpu_is_measured_in_every_precision():
    """On a CPU, where nothing is replayed; what is printed is the same."""
    found = gpu.measure("quick", 1, torch.device("cpu"))
    modes = ["float32", "tf32", "bf16", "bf16_tf32"]
    assert list(found["ms"]["captured"]) == list(found["fraction_of_products"]) == modes
    ms = found["ms"]
    assert found["captured_over_eager"] == ms["captured"]["float32"] / ms["eager"]
    expected = ms["products"]["bf16"] / ms["captured"]["bf16_tf32"]
    assert found["fraction_of_products"]["bf16_tf32"] == expected
    assert found["captured_against_eager"] == {"updates": gpu.STEPS, "difference": 0.0}
    assert gpu.lines(found)[0] == found["device"] == "cpu"


def test_a_gpu_that_is_not_there_is_refused_in_one_line():
    result = CliRunner().invoke(main, ["bench", "train", "--device", "cuda:99"])
    assert result.exit_code == 2 and "compute.device" in result.stderr
    assert "cuda:99" in result.stderr and "Traceback" not in result.stderr
