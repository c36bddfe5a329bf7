"""What a case is compared in: forward values, acting, gradients, parameters after updates."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from mac.training.update import Update, adam
from tests.conftest import PARITY_CASES

from .cases import Case, agent_name, missing
from .families import families


def open_case(path, device="cpu"):
    """The case of a file; skips what cannot be run by its name."""
    if reason := missing(path):
        pytest.skip(reason)
    name = agent_name(path)
    assert name in families(), f"{path.name}: agent {name} exists, but no file in families/ for it"
    torch.set_num_threads(1)
    case = Case(path, device)
    if reason := case.family.refused(case.original):
        pytest.skip(f"{path.name}: {reason}")
    return case


OWN = Path(__file__).parent / "cases"
ROUNDING = 1e-6  # error allowed in a cancelling sum in float32, of the sizes of its terms


def gradient_error(case):
    """Error allowed in gradients, of the largest entry of an array; a GPU sums in another order."""
    return 2e-5 if torch.device(case.device).type == "cpu" else 4e-5


def assert_close(found, reference, name, relative, rounding=0.0):
    """Found, or one of several readings of it, equals the reference."""
    readings = found if isinstance(found, list) else [found]
    arrays = [torch.as_tensor(x).detach().cpu().double().numpy() for x in readings]
    assert all(x.shape == reference.shape for x in arrays), (name, arrays[0].shape, reference.shape)
    error = min(np.abs(x - reference).max(initial=0.0) for x in arrays)
    bound = max(relative * np.abs(reference).max(initial=0.0), rounding)
    assert error <= bound, f"{name}: |error| {error:.2e} > {bound:.2e}"


def check_forward(case, dtype, grad):
    """Every quantity under ``out/``, with autograd or on the fused path without it."""
    case = case.to(dtype)
    agent = case.build()
    with torch.set_grad_enabled(grad):
        out = case.family.forward(case, agent, case.batch(), case.noise())
    with torch.no_grad():
        out |= case.family.acting(case, agent)
    expected = {n[4:] for n in case.arrays if n.startswith("out/")} - {"total_loss_after3"}
    ours = {name: name if name in out else name.removesuffix("_raw") for name in expected}
    if unknown := sorted(name for name in expected if ours[name] not in out):
        reason = f"{case.path.name}: not compared: {', '.join(unknown)}"
        assert case.path.parent != PARITY_CASES, reason
        warnings.warn(reason, stacklevel=2)
    for name in sorted(expected.difference(unknown)):
        value = case.family.readings(case, ours[name], out[ours[name]])
        terms = case.family.cancelling.get(name) if dtype == torch.float32 else None
        rounding = ROUNDING * float(out[terms]) if terms else 0.0
        assert_close(value, case.arrays[f"out/{name}"], name, 1e-5, rounding)


def updating(case, agent):
    """The training step of all the agent's parts, and the parts."""
    parts = list(agent.parts.values())
    return Update(parts, adam(parts, agent.config.optimiser)), parts


def check_gradients(case):
    """Every array of the groups of gradients, and no other parameter has a gradient."""
    assert case.groups("grad") == set(case.family.gradients)
    for group, idle in case.family.gradients.items():
        agent = case.build()
        update, parts = updating(case, agent)
        case.family.differentiate(update, case.batch(), case.noise(), group)
        stored = list(case.parameters(agent, group))
        for name, parameter in stored:
            reference, module = case.array(name), name.split("/")[1]
            if module.startswith("target_"):
                assert parameter.grad is None, name
                assert not reference.any(), name
            elif module in idle:
                assert parameter.grad is None or not parameter.grad.any(), name
                assert not reference.any(), name
            else:
                assert parameter.grad is not None, name
                assert_close(parameter.grad, reference, name, gradient_error(case))
        seen = [id(parameter) for _, parameter in stored if parameter.requires_grad]
        trainable = {id(p) for part in parts for p in part.parameters() if p.requires_grad}
        assert len(seen) == len(trainable)
        assert set(seen) == trainable


def one_step(case, name):
    """How far one step may be off, entry by entry, where float32 cannot know the gradient.

    The first step is lr g / (|g| + 1e-8): where g is no larger than the error allowed in it,
    rounding decides about the step's size and sign. Elsewhere this is next to nothing.
    """
    gradient = case.array(f"grad/{name}").astype(np.float64)
    error = gradient_error(case) * np.abs(gradient).max(initial=0.0)
    low, middle, high = (
        case.original["lr"] * g / (np.abs(g) + 1e-8)
        for g in (gradient - error, gradient, gradient + error)
    )
    return np.maximum(high - middle, middle - low)


def check_updates(case):
    """Every parameter after the updates that the file holds, and the loss after three.

    The repository's own cases keep the bound everywhere. In further ones an entry in a thousand may
    be off by more: those at the mercy of rounding.
    """
    assert case.groups("step") == {f"step{step}" for step in case.family.steps}
    agent = case.build()
    update, _ = updating(case, agent)
    batch, noise = case.batch(), case.noise()
    for step in (1, 2, 3):
        case.family.advance(update, batch, noise, step)
        if step not in case.family.steps:
            continue
        bound, entries, off = 3e-6 if step == 1 else 5e-6, 0, 0
        for name, parameter in case.parameters(agent, f"step{step}"):
            error = np.abs(parameter.detach().cpu().numpy() - case.array(name))
            limit = np.maximum(step * one_step(case, name.partition("/")[2]), 5 * bound)
            assert (error <= limit).all(), f"{name}: |error| {error.max():.2e} > {bound}"
            entries, off = entries + error.size, off + (error > bound).sum()
        allowed = 0 if case.path.parent == OWN else 1e-3 * entries
        assert off <= allowed, f"step {step}: {off} of {entries} entries off by > {bound}"
    after = case.family.forward(case, agent, batch, noise)["total_loss"]
    assert_close(after, case.arrays["out/total_loss_after3"], "total_loss_after3", 5e-5)


class CaseTests:
    """All comparisons of a case, of whatever the module's fixture ``case`` makes."""

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
    @pytest.mark.parametrize("grad", [True, False], ids=["autograd", "inference"])
    def test_forward(self, case, dtype, grad):
        """Both the differentiable and the fused inference path give the original's values."""
        check_forward(case, dtype, grad)

    def test_gradients(self, case):
        check_gradients(case)

    def test_updates(self, case):
        check_updates(case)
