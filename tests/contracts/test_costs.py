"""What a stage says of its costs is what an update computes: plans' hours rest on it."""

from __future__ import annotations

import pytest
from torch.utils.flop_counter import FlopCounterMode

from mac.agents.base import registry
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
    wide = {f"{section}.hidden_dims": WIDTHS for section in stage.networks}
    agent = build(name, mode, **wide)
    parts = list(agent.parts.values())
    update = Update(parts, adam(parts, OPTIMISER))
    batch, noise = batch_and_noise(agent, update)
    with FlopCounterMode(display=False) as counter:
        update.gradients(batch, noise)
    declared = gflop(products([stage], agent.config.model_dump(), agent.spaces, joint=False))
    assert counter.get_total_flops() / 1e9 == pytest.approx(declared, rel=0.3)
