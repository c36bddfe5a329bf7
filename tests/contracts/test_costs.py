"""What a stage says of its costs is what an update computes: plans' hours rest on it."""

from __future__ import annotations

import pytest
from torch.utils.flop_counter import FlopCounterMode

from mac.agents.base import registry
from mac.agents.stages import whole
from mac.nets import dense
from mac.planning.work import gflop
from mac.planning.work import update as products
from mac.training.update import Update, adam

from .test_agents import KNOWN, OPTIMISER, batch_and_noise, build

WIDTHS = [64, 64]
DECLARED = [
    pytest.param(name, mode, id=f"{name}-{mode}")
    for name in KNOWN
    for mode in registry()[name].modes
    if any(stage.networks or stage.products for stage in registry()[name].stages)
]


@pytest.mark.parametrize(("name", "mode"), DECLARED)
def test_an_update_computes_about_what_its_stage_declares(name, mode, monkeypatch):
    """Without the fused layers of a CPU, which are not counted."""
    monkeypatch.setattr(dense, "_fused", lambda x: False)
    (stage,) = registry()[name].stages
    wide = {f"{section}.hidden_dims": WIDTHS for section in stage.networks or {}}
    agent = build(name, mode, **wide)
    parts = list(agent.parts.values())
    update = Update(parts, adam(parts, OPTIMISER))
    batch, noise = batch_and_noise(agent, update)
    with FlopCounterMode(display=False) as counter:
        update.gradients(batch, noise)
    declared = gflop(products([stage], agent.config.model_dump(), agent.spaces, joint=False))
    wrong = disagreement(name, stage, declared, counter.get_total_flops() / 1e9)
    assert wrong is None, wrong


def disagreement(name, stage, declared, counted):
    """What to change where GFLOP of an update are more than 30 % apart; None where they agree."""
    if counted == pytest.approx(declared, rel=0.3):
        return None
    said = f"networks={dict(stage.networks)}" if stage.networks else "its products"
    more, change = ("more", "raise") if counted > declared else ("less", "lower")
    return (
        f"{name}, stage {stage.name}: an update takes {declared:.3g} GFLOP by {said}, "
        f"and {counted:.3g} were counted, {more} than is declared: {change} the passes there, the "
        f"second number of a pair (how to count: docs/how-to/add-an-agent.md)"
    )


def test_the_disagreement_says_what_to_change():
    stage = whole("value", view="steps", networks={"value": (4, 3)})
    assert disagreement("mine", stage, 1.0, 1.29) is None
    wrong = disagreement("mine", stage, 1.0, 4.0)
    assert wrong.startswith("mine, stage agent: ") and "networks={'value': (4, 3)}" in wrong
    assert "takes 1 GFLOP" in wrong and "and 4 were counted" in wrong and "raise" in wrong
    assert "lower" in disagreement("mine", stage, 1.0, 0.5)
