"""Benchmarks print numbers under the names that others read; how large they are is no test."""

import json

from click.testing import CliRunner

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
