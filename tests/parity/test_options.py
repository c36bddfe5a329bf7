"""Options, shapes and file names that no visible case has: made up, and run as cases."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.architecture.source import ROOT
from tests.conftest import PARITY_CASES

from .cases import agent_name
from .comparison import CaseTests, open_case
from .made_up import made_up

UNEVEN = {
    "actor_hidden_dims": [9],
    "value_hidden_dims": [11, 7, 5],
    "dynamics_hidden_dims": [13, 6],
    "rows": 5,
    "observation_dim": 3,
    "goal_dim": 1,
    "action_dim": 3,
}
PLAIN = {"layer_norm": False, "lam": 1.0, "target_network": False}
BCE = {"value_loss": "bce", "gc_negative": False}
MADE_UP = {
    "mac_reward_2": ("mac", "reward", {"rollout_batch_size": 4, "rollout_steps": 1}),
    "mac_gc_wide": ("mac", "gc", {**UNEVEN, "chunk": 4, "flow_steps": 1}),
    "mac_gc_bce": ("mac", "gc", {**BCE, "num_samples_train": 1, "num_samples_test": 1}),
    "mac_reward_bce": ("mac", "reward", {"value_loss": "bce", "lam": 0.0, "rollout_steps": 1}),
    "mac_plain": ("mac", "gc", {**PLAIN, "chunk": 1, "rollout_steps": 11, "rows": 2}),
    "mbrs_ac_gc_free": ("mbrs_ac", "gc", {"state_dependent_std": False, "rollout_batch_size": 2}),
    "mbrs_ac_reward_3": ("mbrs_ac", "reward", {**PLAIN, **UNEVEN, "mean_tanh_squash": True}),
    "mbrs_ac_gc_bce": ("mbrs_ac", "gc", {**BCE, "tanh_squash": False, "action_chunking_test": 2}),
    "mbfql_gc_2": ("mbfql", "gc", {**UNEVEN, "alpha": 2.0, "rollout_batch_size": 2, "chunk": 3}),
    "mbfql_reward_bce": ("mbfql", "reward", {"value_loss": "bce", "rollout_steps": 1}),
    "mbfql_plain": ("mbfql", "gc", {**PLAIN, **BCE, "flow_steps": 1}),
    "model_ac_plain": ("model_ac", "reward", {**PLAIN, **UNEVEN}),
    "model_ac_2": ("model_ac", "gc", {"chunk": 5}),
}


@pytest.fixture(scope="module", params=MADE_UP)
def case(request, tmp_path_factory):
    agent, mode, options = MADE_UP[request.param]
    path = tmp_path_factory.mktemp("made_up") / f"{request.param}.npz"
    np.savez(path, **made_up(agent, mode, **options))
    return open_case(path)


class TestMadeUpCases(CaseTests):
    pass


@pytest.mark.parametrize(
    ("name", "agent"),
    [
        ("mac_gc_wide", "mac"),
        ("mac", "mac"),
        ("mbrs_ac_reward_2", "mac_gau"),
        ("mbfql-2", None),
        ("model_ac_2", "model_error"),
        ("machine_gc", None),
        ("fql_plain", "fql"),
        ("unknown_agent", None),
    ],
)
def test_the_longest_name_in_the_table_decides(name, agent, tmp_path):
    assert agent_name(tmp_path / f"{name}.npz") == agent


def run(folder):
    """Exit code and output of the parity tests on a folder."""
    paths = [f"tests/parity/test_{name}.py" for name in ("agents", "datasets")]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rsp", *paths]
    done = subprocess.run(
        [*command, "--parity-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "300"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_folder_of_other_names(tmp_path):
    """Cases are known by what their names begin with; what cannot be run is skipped by name."""
    for name, source in (
        ("mac_reward_2", "mac_gc"),  # the mode is the file's, not the name's
        ("mbfql_b", "mbfql_reward"),
        ("unknown_agent", "mac_gc"),
        ("datasets_b", "datasets"),
    ):
        shutil.copy(PARITY_CASES / f"{source}.npz", tmp_path / f"{name}.npz")
    with np.load(PARITY_CASES / "mbrs_ac_gc.npz") as archive:
        arrays = dict(archive)
    arrays["config"] = np.array(
        str(arrays["config"]).replace('"learn_success": true', '"learn_success": false')
    )
    np.savez(tmp_path / "mbrs_ac_broken.npz", **arrays)
    code, output = run(tmp_path)
    assert code == 0, output
    for name in ("mac_reward_2", "mbfql_b", "datasets_b"):
        assert re.search(rf"PASSED .*\b{name}\b", output), output
    assert re.search(r"unknown_agent\.npz: begins with no agent's name", output)
    assert re.search(r"mbrs_ac_broken\.npz: learn_success: found False", output)


def test_an_empty_folder_is_an_error(tmp_path):
    code, output = run(tmp_path)
    assert code != 0
    assert "no parity cases in" in output


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    code, output = run(tmp_path / "nowhere")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert output.split() == f"ERROR: --parity-dir: no such folder: {tmp_path}/nowhere".split()
