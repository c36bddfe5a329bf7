"""What a stage says of its costs is what an update computes: plans' hours rest on it."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mac.agents.base import registry
from mac.planning.work import gflop
from mac.planning.work import update as products
from mac.training.update import Update, adam

from .test_agents import BUILT_IN, OPTIMISER, batch_and_noise, build

WIDTHS = [64, 64]
DECLARED = [
    pytest.param(name, mode, id=f"{name}-{mode}")
    for name in BUILT_IN
    for mode in registry()[name].modes
    if any(stage.networks for stage in registry()[name].stages)
]


@pytest.mark.parametrize(("name", "mode"), DECLARED)
def test_an_update_computes_about_what_its_stage_declares(name, mode):
    """In float64: the fused layers of float32 on a CPU are not counted."""
    (stage,) = registry()[name].stages
    wide = {f"{section}.hidden_dims": WIDTHS for section in stage.networks}
    agent = build(name, mode, **wide)
    parts = [part.double() for part in agent.parts.values()]
    update = Update(parts, adam(parts, OPTIMISER))
    batch, noise = batch_and_noise(agent, update)
    noise = {k: x.double() if x.is_floating_point() else x for k, x in noise.items()}
    with FlopCounterMode(display=False) as counter:
        update.gradients(batch.map(torch.Tensor.double), noise)
    declared = gflop(products([stage], agent.config.model_dump(), agent.spaces, joint=False))
    assert counter.get_total_flops() / 1e9 == pytest.approx(declared, rel=0.3)
