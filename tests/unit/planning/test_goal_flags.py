"""The goal-conditioned baselines' settings by environment are those of protocol.md 2.2."""

import pytest
import yaml

from mac.planning.experiment import Experiment

# Actor goals (trajectory, random, geometric), GCIQL's alpha, n-SAC+BC's alpha, aggregation, S.
OCTUPLE = ((1.0, 0.0, True), 10.0, 0.1, "min", 50)
PUZZLE = ((0.5, 0.5, True), 1.0, 0.1, "min", 25)
GIANT = ((1.0, 0.0, False), 0.3, 0.03, "mean", 50)
ROWS = {
    "cube-octuple": OCTUPLE,
    "cube-double": OCTUPLE,
    "puzzle-4x5": PUZZLE,
    "puzzle-3x3": PUZZLE,
    "humanoidmaze-giant": GIANT,
}


@pytest.fixture
def settings(clone, tmp_path, monkeypatch):
    """Resolved configurations by agent and environment."""
    content = {
        "title": "Flags",
        "caption": "Of every agent and environment.",
        "suites": {"ogbench_goal": dict.fromkeys(ROWS)},
        "agents": {name: {} for name in ("gciql", "ngcsac_bc", "sharsa", "mac")},
        "seeds": [0],
    }
    (tmp_path / "own" / "experiments").mkdir(parents=True)
    (tmp_path / "own" / "experiments" / "flags.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("MAC_CONFIG_PATH", str(tmp_path / "own"))
    cells = Experiment("flags").cells
    return {(cell.agent.name, cell.environment.name): cell.resolved for cell in cells}


def goals(resolved, who="actor"):
    kinds = ("current", "trajectory", "random", "geometric")
    return tuple(resolved.value(f"goals.{who}.{kind}") for kind in kinds)


@pytest.mark.parametrize("environment", ROWS)
def test_flags(settings, environment):
    mixture, weight, imitation, aggregation, steps = ROWS[environment]
    gciql, nsac, sharsa = (
        settings[agent, environment] for agent in ("gciql", "ngcsac_bc", "sharsa")
    )
    for resolved in (gciql, nsac, sharsa):
        assert goals(resolved) == (0.0, *mixture)
        assert goals(resolved, "value") == (0.2, 0.5, 0.3, False)
        assert resolved.value("discount") == 0.999
    assert (gciql.value("alpha"), gciql.value("extraction")) == (weight, "ddpg_bc")
    assert gciql.value("value.aggregation") == "min"
    assert gciql.value("goals.negative")
    assert nsac.value("alpha") == imitation
    for resolved in (nsac, sharsa):
        assert resolved.value("value.aggregation") == aggregation
        assert resolved.value("subgoal_steps") == steps
        assert resolved.value("value.loss") == "bce"
        assert not resolved.value("goals.negative")
    assert goals(settings["mac", environment]) == (0.0, 0.5, 0.5, True)  # nothing but its own
