"""What a case is compared in: forward values, acting, gradients, parameters after updates."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from mac.components.part import flat
from mac.losses.returns import lambda_returns
from mac.training.update import Update, adam
from tests.conftest import PARITY_CASES

from .cases import Case, missing, refused


def open_case(path, device="cpu"):
    """The case of a file; skips what cannot be run by its name."""
    if reason := missing(path):
        pytest.skip(reason)
    torch.set_num_threads(1)
    case = Case(path, device)
    if reason := refused(case.agent_name, case.original):
        pytest.skip(f"{path.name}: {reason}")
    return case


OWN = Path(__file__).parent / "cases"
GRADIENT = 2e-5  # error allowed in gradients, of the largest entry of an array


def assert_close(found, reference, name, relative):
    """Found, or one of several readings of it, equals the reference."""
    readings = found if isinstance(found, list) else [found]
    arrays = [torch.as_tensor(x).detach().cpu().double().numpy() for x in readings]
    assert all(x.shape == reference.shape for x in arrays), (name, arrays[0].shape, reference.shape)
    error = min(np.abs(x - reference).max(initial=0.0) for x in arrays)
    bound = relative * np.abs(reference).max(initial=0.0)
    assert error <= bound, f"{name}: |error| {error:.2e} > {bound:.2e}"


def forward(case, agent, batch, noise):
    """Every quantity of ``out/`` that the agent has, by the original's names."""
    out = {}
    metrics = {}
    for part in agent.parts.values():
        for loss in part.losses(batch, noise):
            metrics |= {loss.name: loss.value, **loss.metrics}
    names = {"bc_loss": "actor_loss"} if case.agent_name == "mac_gau" else {}
    out.update(
        {names.get(k, k): v for k, v in metrics.items() if names.get(k, k) in known_losses(case)}
    )
    if case.agent_name == "mac":
        out["actor_loss"] = out["flow_loss"] + out["distill_loss"]
    if case.agent_name == "mac_fql":
        out["actor_loss"] = metrics["actor_loss"]
    total = [
        "dynamics_loss",
        "success_loss",
        "reward_loss",
        "actor_loss",
        "value_loss",
        "critic_loss",
    ]
    total += ["flow_loss"] if case.agent_name == "mac_fql" else []
    out["total_loss"] = sum(out[name] for name in total if name in out)
    model = agent.parts["model"]
    out["dynamics_prediction"] = model(batch.observations, batch.actions)
    if "value" not in agent.parts:
        return out
    value, heads, behaviour = agent.parts["value"], agent.parts["heads"], agent.parts["behaviour"]
    trajectory = value.imagine(batch, noise)
    states, goals, actions = trajectory.observations, trajectory.goals, trajectory.actions
    out["rollout_observations"], out["rollout_next_observations"] = states[:-1], states[1:]
    out["rollout_actions"] = flat(actions)
    rewards, masks = heads(states[:-1], goals[:-1], actions)
    out["rollout_rewards"], out["rollout_masks"] = rewards, masks
    inputs = (states[:-1], goals[:-1], flat(actions))
    out["success_logits"], out["reward_predictions"] = heads.success(*inputs), heads.reward(*inputs)
    target = value.values.target_value if value.target_network else value.values.value
    out["target_values"] = target(states[:-1], goals[:-1])
    out["target_next_values"] = target(states[1:], goals[1:])
    next_values = value.head.decode(out["target_next_values"])
    out["returns"] = lambda_returns(
        rewards, masks, next_values, value.return_discount, value.td_lambda
    )
    out["values"] = value.values.value(states[:-1], goals[:-1])
    out["critic_target"] = rewards[0] + value.critic_discount * masks[0] * value.values.value(
        states[1], goals[1]
    )
    out["critic_prediction"] = value.values.critic(*(x[0] for x in inputs))
    if case.candidates:
        candidates = torch.stack(
            [
                behaviour.sample(s, g, z)
                for s, g, z in zip(states, goals, noise["rollout_z"], strict=False)
            ]
        )
        out["rollout_candidate_actions"] = flat(candidates)
        out["rollout_candidate_q"] = torch.stack(
            [
                value.values.critic(s, g, flat(a))
                for s, g, a in zip(states, goals, candidates, strict=False)
            ]
        )
    if case.agent_name == "mac":
        z = noise["distill_z"]
        out["distill_target_actions"] = flat(
            behaviour.teacher.sample(batch.observations, batch.actor_goals, z)
        )
    if case.agent_name == "mac_fql":
        z = noise["distill_z"]
        out["distill_target_actions"] = flat(behaviour.sample(states[:-1], goals[:-1], z))
        out["actor_policy_actions"] = value.actor(states[:-1], goals[:-1], z)
    return out


# Under bce a file may hold the logit or what it means; README.md of the cases leaves it open.
DECODED = ("values", "target_values", "target_next_values", "critic_prediction")


def readings(case, name, value):
    """The forms in which a file may hold a quantity."""
    if case.original.get("value_loss") == "bce" and name in DECODED:
        return [value, torch.sigmoid(value)]
    if case.original.get("value_loss") == "bce" and name == "critic_target":
        return [value, value.clamp(0.0, 1.0)]
    return [value]


def known_losses(case):
    return {name[4:] for name in case.arrays if name.startswith("out/") and name.endswith("_loss")}


def acting(case, agent, dtype):
    """Actions of the acting tests."""
    out = {}
    if case.agent_name == "model_error":
        return out
    observations = torch.from_numpy(case.arrays["test/observations"]).to(case.device, dtype)
    goals = case.arrays.get("test/goals", np.zeros((len(observations), 0), np.float32))
    goals = torch.from_numpy(goals).to(case.device, dtype)
    first = case.original.get("action_chunking_test", 1) * case.original["_shapes"]["action_dim"]
    noise = case.test_noise("batch", dtype)
    with torch.no_grad():
        out["test_actions"] = flat(agent.act(observations, goals, {"z": noise}))[:, :first]
        noise = case.test_noise("full", dtype)
        out["test_actions_trainmode"] = flat(agent.act(observations, goals, {"z": noise}))
        noise = case.test_noise("single", dtype)
        single = flat(agent.act(observations[:1], goals[:1], {"z": noise}))
        out["test_action_single"] = single[0, :first]
        if case.agent_name == "mac":
            z = case.test_noise("batch", dtype).transpose(0, 1)
            candidates = agent.behaviour.sample(observations, goals, z)
            out["test_candidate_actions"] = flat(candidates)
            out["test_candidate_q"] = agent.values.critic(observations, goals, flat(candidates))
    return out


def check_forward(case, dtype, grad):
    """Every quantity under ``out/``, with autograd or on the fused path without it."""
    agent = case.build(dtype)
    with torch.set_grad_enabled(grad):
        out = forward(case, agent, case.batch(dtype), case.noise(dtype))
    out.update(acting(case, agent, dtype))
    expected = {n[4:] for n in case.arrays if n.startswith("out/")} - {"total_loss_after3"}
    ours = {name: name if name in out else name.removesuffix("_raw") for name in expected}
    if unknown := sorted(name for name in expected if ours[name] not in out):
        reason = f"{case.path.name}: not compared: {', '.join(unknown)}"
        assert case.path.parent != PARITY_CASES, reason
        warnings.warn(reason, stacklevel=2)
    for name in sorted(expected.difference(unknown)):
        value = readings(case, ours[name], out[ours[name]])
        assert_close(value, case.arrays[f"out/{name}"], name, 1e-5)


def check_gradients(case):
    """Every array under ``grad/``, and no other parameter has a gradient."""
    agent = case.build()
    parts = list(agent.parts.values())
    Update(parts, adam(parts, agent.config.optimiser)).gradients(case.batch(), case.noise())
    seen = 0
    for name, parameter in case.parameters(agent, "grad"):
        reference = case.array(name)
        if "/target_" in name:
            assert parameter.grad is None
            assert not reference.any()
            continue
        assert_close(parameter.grad, reference, name, GRADIENT)
        seen += 1
    assert seen == sum(p.requires_grad for part in parts for p in part.parameters())


def one_step(case, name):
    """How far one step may be off, entry by entry, where float32 cannot know the gradient.

    The first step is lr g / (|g| + 1e-8): where g is no larger than the error ``GRADIENT`` allows,
    rounding decides about the step's size and sign. Elsewhere this is next to nothing.
    """
    gradient = case.array(f"grad/{name}").astype(np.float64)
    error = GRADIENT * np.abs(gradient).max(initial=0.0)
    low, middle, high = (
        case.original["lr"] * g / (np.abs(g) + 1e-8)
        for g in (gradient - error, gradient, gradient + error)
    )
    return np.maximum(high - middle, middle - low)


def check_updates(case):
    """Every parameter after one and three updates, and the loss then.

    The repository's own cases keep the bound everywhere. In further ones an entry in a thousand may
    be off by more: those at the mercy of rounding.
    """
    agent = case.build()
    parts = list(agent.parts.values())
    update = Update(parts, adam(parts, agent.config.optimiser))
    batch, noise = case.batch(), case.noise()
    for step in (1, 2, 3):
        update(batch, noise)
        if step == 2:
            continue
        bound, entries, off = {1: 3e-6, 3: 5e-6}[step], 0, 0
        for name, parameter in case.parameters(agent, f"step{step}"):
            error = np.abs(parameter.detach().cpu().numpy() - case.array(name))
            limit = np.maximum(step * one_step(case, name.partition("/")[2]), 5 * bound)
            assert (error <= limit).all(), f"{name}: |error| {error.max():.2e} > {bound}"
            entries, off = entries + error.size, off + (error > bound).sum()
        allowed = 0 if case.path.parent == OWN else 1e-3 * entries
        assert off <= allowed, f"step {step}: {off} of {entries} entries off by > {bound}"
    after = forward(case, agent, batch, noise)["total_loss"]
    assert_close(after, case.arrays["out/total_loss_after3"], "total_loss_after3", 5e-5)
