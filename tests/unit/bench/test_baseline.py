"""Costs of agents of one stage: what is measured, at which size; how long it takes is no test."""

import json

import pytest
import torch
from click.testing import CliRunner

from mac.agents.base import registry
from mac.bench import baseline
from mac.bench.floor import Size
from mac.cli import main
from mac.errors import ConfigError

TINY = Size((8,), 8)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(baseline.SIZES, "quick", TINY)
    monkeypatch.setitem(baseline.REPEATS, "cpu", 2)


def printed(*arguments):
    result = CliRunner().invoke(main, ["bench", "train", "--rounds", "2", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_a_refresh_takes_of_the_updates_between(tiny):
    found = json.loads(printed("--agent", "mopo", "--json"))
    assert found["reduced"] is True and found["size"] == "quick" and found["device"] == "cpu"
    assert found["update_s"] > 0 and found["refresh_s"] > 0 and found["updates_between"] == 1000
    assert 0 < found["refresh_over_updates"] < found["refresh_s"] / found["update_s"]
    assert found["sizes"]["batch_size"] == found["sizes"]["imagined"]["batch_size"] == 4
    # 50 000 starts for 512 real rows, in proportion
    assert found["sizes"]["imagined"]["starts"] == 390


def test_an_agent_without_refreshes_has_its_update_alone(tiny):
    lines = printed("--agent", "iql").splitlines()
    assert lines[0].startswith("iql, size quick, smaller than the paper's") and len(lines) == 2
    assert len(printed("--agent", "mobile").splitlines()) == 4


def test_an_agent_of_chunks_that_has_one_stage_is_measured_at_the_size(tiny):
    assert printed("--agent", "fmpc").startswith("fmpc, size quick")
    found = baseline.config_of("fmpc", TINY)
    assert found.batch_size == 8
    assert {getattr(found, k).hidden_dims for k in ("value", "actor", "dynamics")} == {(8,)}


def test_every_agent_of_one_stage_of_its_own_is_measured():
    """As the help of the verb says."""
    alone = {n for n, agent in registry().items() if [s.name for s in agent.stages] == ["agent"]}
    for name in alone - {"hd_da"}:
        assert baseline.config_of(name, TINY).agent == name
    with pytest.raises(ConfigError, match=r"high\.rows: windows of 16256 steps need longer"):
        baseline.config_of("hd_da", TINY)  # the default sizes, which its YAML does not keep


@pytest.mark.parametrize("name", ["mopo", "leq"])
def test_the_papers_size_is_the_agents_own(name):
    found = baseline.config_of(name, baseline.SIZES["paper"])
    default = type(found)(agent=name, mode="reward", batch_size=512 if name == "mopo" else 1024)
    assert found == default


def test_refreshes_go_on_in_turn(tiny):
    trainer = baseline.make_trainer("mopo", TINY, torch.device("cpu"))
    trainer.refreshing.before(1)
    (kept,) = trainer.refreshing.keepers.values()
    assert all(bool((slot != 0).any()) for slot in kept.kept.observations)


def test_other_agents_are_refused_by_name():
    with pytest.raises(ConfigError, match="--agent: not measured; found mac_fql; expected mac, "):
        baseline.config_of("mac_fql", TINY)
