"""The FQL repository's agents written out slowly in float64, from docs/agents.

As ``oracle.py``, whose networks it uses: it shares nothing with ``mac``.
"""

from __future__ import annotations

import numpy as np
import torch

from .oracle import euler, members, network, scalar


def mean_of(P, module, states):
    """The Gaussian head's mean."""
    features = network(
        {k.replace(module, "actor", 1): v for k, v in P.items() if k.startswith(f"{module}/")},
        "actor",
        states,
    )
    return features @ P[f"{module}/mean_net/kernel"] + P[f"{module}/mean_net/bias"]


def std_of(P, mean):
    """1, or the free vector."""
    if "actor/log_stds" not in P:
        return torch.ones_like(mean)
    return P["actor/log_stds"].clip(-5, 2).exp().expand_as(mean)


def rows(batch):
    return (batch[key] for key in ("observations", "actions", "rewards", "masks"))


def implicit(c, F, T, batch):
    """The value losses of IQL."""
    s, a, r, m = rows(batch)
    q, v = members(F, "target_critic", s, a), scalar(T, "value", s)
    low = q.min(0).values
    weight = (low >= v) * c["expectile"] + (low < v) * (1 - c["expectile"])
    y = r + c["discount"] * m * scalar(F, "value", batch["next_observations"])
    return {
        "target_critic": q,
        "value_predictions": v,
        "critic_target": y,
        "value_loss": (weight * (low - v) ** 2).mean(),
        "critic_loss": ((members(T, "critic", s, a) - y) ** 2).sum(0).mean(),
    }


def iql(c, F, T, batch, noise):
    s, a, *_ = rows(batch)
    out = implicit(c, F, T, batch)
    mean = mean_of(T, "actor", s)
    std = std_of(T, mean)
    log_prob = (-0.5 * ((a - mean) / std) ** 2 - std.log() - 0.5 * np.log(2 * np.pi)).sum(-1)
    if c["actor_loss"] == "awr":
        advantage = members(F, "critic", s, a).min(0).values - scalar(F, "value", s)
        out["actor_loss"] = -((c["alpha"] * advantage).exp().clip(max=100) * log_prob).mean()
    else:
        chosen = mean if c["const_std"] else mean + std * noise["actor_eps"].reshape(mean.shape)
        q = members(F, "critic", s, chosen.clip(-1, 1)).min(0).values
        out["q_loss"] = -q.mean() / q.abs().mean().detach()
        out["bc_loss"] = -c["alpha"] * log_prob.mean()
        out["actor_loss"] = out["q_loss"] + out["bc_loss"]
    out["total_loss"] = out["value_loss"] + out["critic_loss"] + out["actor_loss"]
    return out


def flow(T, module, batch, noise):
    s, a, *_ = rows(batch)
    t, x0 = noise["flow_t"], noise["flow_x0"]
    speed = network(T, module, s, (1 - t) * x0 + t * a, t)
    return ((speed - (a - x0)) ** 2).mean()


def ifql(c, F, T, batch, noise):
    out = implicit(c, F, T, batch) | {"actor_loss": flow(T, "actor_flow", batch, noise)}
    out["total_loss"] = out["value_loss"] + out["critic_loss"] + out["actor_loss"]
    return out


def fql(c, F, T, batch, noise):
    s, a, r, m = rows(batch)
    after, z = batch["next_observations"], noise["distill_z"]
    following = network(F, "actor_onestep_flow", after, noise["next_z"]).clip(-1, 1)
    q = members(F, "target_critic", after, following)
    y = r + c["discount"] * m * (q.min(0).values if c["q_agg"] == "min" else q.mean(0))
    out = {"critic_loss": ((members(T, "critic", s, a) - y) ** 2).mean()}
    out["bc_flow_loss"] = flow(T, "actor_bc_flow", batch, noise)
    teacher = euler(F, c, "actor_bc_flow", s, None, z)
    student = network(T, "actor_onestep_flow", s, z)
    out |= {"distill_target_actions": teacher, "policy_actions_unclipped": student}
    out["distill_loss"] = ((student - teacher) ** 2).mean()
    q = members(F, "critic", s, student.clip(-1, 1)).mean(0)
    out["q_loss"] = -q.mean() / (q.abs().mean().detach() if c["normalize_q_loss"] else 1)
    out["actor_loss"] = out["bc_flow_loss"] + c["alpha"] * out["distill_loss"] + out["q_loss"]
    out["total_loss"] = out["critic_loss"] + out["actor_loss"]
    return out


def rebrac(c, F, T, batch, noise, full=True):
    s, a, r, m = rows(batch)
    after, squash = batch["next_observations"], torch.tanh if c["tanh_squash"] else torch.as_tensor
    shift = (c["actor_noise"] * noise["target_noise"]).clip(
        -c["actor_noise_clip"], c["actor_noise_clip"]
    )
    target = squash(mean_of(F, "target_actor", after))
    following = (target + shift).clip(-1, 1)
    distance = ((following - batch["next_actions"]) ** 2).sum(-1)
    q = members(F, "target_critic", after, following).min(0).values
    y = r + c["discount"] * m * (q - c["alpha_critic"] * distance)
    out = {"critic_loss": ((members(T, "critic", s, a) - y) ** 2).mean()}
    mode = squash(mean_of(T, "actor", s))
    q = members(F, "critic", s, mode).min(0).values
    out |= {"target_actor_mode": target, "actor_mode": mode}
    out["actor_loss"] = -q.mean() / q.abs().mean().detach()
    out["bc_loss"] = c["alpha_actor"] * ((mode - a) ** 2).sum(-1).mean()
    out["actor_total_loss"] = out["actor_loss"] + out["bc_loss"]
    out["total_loss"] = out["critic_loss"] + (out["actor_total_loss"] if full else 0)
    return out


FORWARD = {"iql": iql, "ifql": ifql, "fql": fql, "rebrac": rebrac}


def acting(c, F, test, noise):
    """Actions of the acting tests, by the names of ``out/``."""
    states, name = test["observations"], c["agent_name"]
    if name == "ifql":
        z = noise["test_single_z"]
        one = states[:1].expand(len(z), -1)
        actions = euler(F, c, "actor_flow", one, None, z)
        return {
            "test_action_single": actions[members(F, "critic", one, actions).min(0)[0].argmax()]
        }
    if name == "fql":
        draws = [noise[f"test_temp{t}_z"] for t in (0, 1)]
        raw = [network(F, "actor_onestep_flow", states, z) for z in draws]
    else:
        mean = mean_of(F, "actor", states)
        if name == "iql":
            shift = std_of(F, mean) * noise["test_temp1_eps"].reshape(mean.shape)
        else:
            mean = torch.tanh(mean) if c["tanh_squash"] else mean
            bound = c["actor_noise_clip"]
            shift = (c["actor_noise"] * noise["test_temp1_noise"]).clip(-bound, bound)
        raw = [mean, mean + shift]
    return {f"test_actions_temperature{t}": x.clip(-1, 1) for t, x in enumerate(raw)}


def gradients(c, P, batch, noise, **options):
    """Gradient of the total loss for every parameter, zero where there is none."""
    T = {name: value.clone().requires_grad_() for name, value in P.items()}
    total = FORWARD[c["agent_name"]](c, P, T, batch, noise, **options)["total_loss"]
    found = torch.autograd.grad(total, list(T.values()), allow_unused=True)
    zero = torch.zeros_like
    return {n: zero(P[n]) if g is None else g for n, g in zip(T, found, strict=True)}


def updates(c, P, batch, noise):
    """Parameters after 1, 2 and 3 updates: one Adam, targets that lag by one step.

    ReBRAC's policy has a gradient, and its targets move, at every ``actor_freq``-th update alone.
    """
    first, second = ({n: torch.zeros_like(p) for n, p in P.items()} for _ in "12")
    for step in (1, 2, 3):
        full, after = step % c.get("actor_freq", 1) == 0, {}
        options = {"full": full} if "actor_freq" in c else {}
        for name, g in gradients(c, P, batch, noise, **options).items():
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.999 * second[name] + 0.001 * g**2
            mean, square = first[name] / (1 - 0.9**step), second[name] / (1 - 0.999**step)
            after[name] = P[name] - c["lr"] * mean / (square.sqrt() + 1e-8)
        for name in (n for n in P if full and n.startswith("target_")):
            online = name.removeprefix("target_")
            after[name] = c["tau"] * P[online] + (1 - c["tau"]) * P[name]
        P = after
        yield P


def evaluate(c, arrays):
    """All results of a case, float64, from its settings and its inputs."""

    def group(name):
        found = {k: v for k, v in arrays.items() if k.startswith(f"{name}/")}
        return {
            k.partition("/")[2]: torch.from_numpy(v.astype(np.float64)) for k, v in found.items()
        }

    P, batch = group("params"), group("batch")
    noise = {name.split("_", 1)[1]: draw for name, draw in group("noise").items()}
    forward = FORWARD[c["agent_name"]]
    out = forward(c, P, P, batch, noise) | acting(c, P, group("test"), noise)
    results = {"out": out, "grad": gradients(c, P, batch, noise)}
    steps = dict(enumerate(updates(c, P, batch, noise), start=1))
    kept = (1, 3)
    if c["agent_name"] == "rebrac":
        results["grad_critic_only"] = gradients(c, P, batch, noise, full=False)
        kept = (1, 2, 3)
    results |= {f"step{step}": steps[step] for step in kept}
    out["total_loss_after3"] = forward(c, steps[3], steps[3], batch, noise)["total_loss"]
    return {f"{g}/{name}": x.numpy() for g, part in results.items() for name, x in part.items()}
