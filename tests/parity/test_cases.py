"""Readers of a case file, on forms that only some families of agents have."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mac.nets.mlp import MLP, Init
from tests.conftest import PARITY_CASES

from . import cases, comparison
from .families import families
from .families.base import Family


class Toy(Family):
    modules = {"critic": ("agent", "critic"), "lam": ("agent", "multiplier")}
    fields = {"rewards": None, "masks": "alive"}
    batch_type = SimpleNamespace
    draws = {"eps": ("actor_eps", 2), "members": ("mb_h*_member", 1)}


@pytest.fixture
def case(monkeypatch):
    """A file with ensembles, a scalar parameter, integer draws and imagined rows."""
    monkeypatch.setattr(cases, "families", lambda: {"mopo": Toy()})
    with pytest.warns(UserWarning, match="unknown options"):
        case = cases.Case(PARITY_CASES / "mopo_reward.npz")
    others = ("actor", "dynamics", "reward", "success", "target_critic")
    case.arrays = {n: a for n, a in case.arrays.items() if n.split("/")[1] not in others}
    return case


def network():
    """A critic's shapes with a leading axis of two members, and a scalar beside it."""
    critic = MLP((7, 2), (32, 32), 1, Init(0).generator("critic"))
    parameters = [(n, nn.Parameter(torch.stack([p, p]))) for n, p in critic.named_parameters()]
    for name, parameter in parameters:
        module, _, leaf = name.rpartition(".")
        owner = critic.get_submodule(module)
        if isinstance(owner, nn.ParameterList):
            owner[int(leaf)] = parameter
        else:
            setattr(owner, leaf, parameter)
    multiplier = nn.Module()
    multiplier.log_value = nn.Parameter(torch.zeros(()))
    return nn.ModuleDict({"critic": critic, "multiplier": multiplier})


def test_ensembles_and_scalars_are_loaded(case):
    part = network()
    agent = SimpleNamespace(parts={"agent": part})
    assert len(list(case.parameters(agent, "params"))) == len(list(part.parameters())) == 11
    case.load(agent, "params")
    kernel = case.arrays["params/critic/Dense_0/kernel"]
    assert kernel.shape == (2, 9, 32)
    weight = part["critic"].trunk.weights[0]
    assert torch.equal(weight[1], torch.from_numpy(kernel[1].T.copy()))
    assert part["multiplier"].log_value == float(case.arrays["params/lam/log_value"])


def test_a_wrong_shape_is_not_loaded(case):
    part = network()
    part["critic"].bias = nn.Parameter(torch.zeros(1))
    with pytest.raises(AssertionError, match="critic/Dense_2/bias"):
        case.load(SimpleNamespace(parts={"agent": part}), "params")


def test_draws_by_meaning(case):
    case = case.to(torch.float64)
    noise = case.noise()
    assert noise["eps"].shape == (14, 2)
    assert noise["eps"].dtype == torch.float64
    assert noise["members"].shape == (4, 8)
    assert noise["members"].dtype == torch.int64
    for step, members in enumerate(noise["members"]):
        assert torch.equal(members, case.draw(f"mb_h{step}_member", 1))
    assert case.draw("mb_h*_dyn_eps", 3).shape == (4, 3, 8, 7)
    with pytest.raises(AssertionError, match="has no draw flow_x0"):
        case.draw("flow_x0", 2)


def test_rows_of_both_kinds(case):
    real, imagined = case.batch(), Toy().batch(case, "fake_batch")
    assert (len(real.alive), len(imagined.alive)) == (8, 6)
    assert imagined.actions.shape == (6, 1, 2)
    assert imagined.value_goals.shape == (6, 0)
    assert not hasattr(real, "rewards")


def test_an_agent_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setattr(cases, "registry", dict)
    reason = cases.missing(PARITY_CASES / "mopo_gc.npz")
    assert reason == "mopo_gc.npz: agent mopo does not exist yet"


def test_an_agent_without_a_family_is_an_error(monkeypatch):
    monkeypatch.setattr(comparison, "families", dict)
    with pytest.raises(AssertionError, match=r"agent mac exists, but no file in families/"):
        comparison.open_case(PARITY_CASES / "mac_gc.npz")


def test_families_are_of_agents_in_the_table():
    assert set(families()) <= set(cases.AGENTS.values())
