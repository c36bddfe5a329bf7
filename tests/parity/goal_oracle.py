"""The goal-conditioned baselines' losses written out slowly in float64, from docs/agents.

As ``oracle.py``, whose networks, gradients and updates it uses: it shares nothing with ``mac``.
"""

from __future__ import annotations

import numpy as np
import torch

from . import oracle
from .oracle import cross_entropy, members, network, scalar


def actor(P, states, goals):
    """Mean and standard deviation before squashing."""
    features = network(P, "actor", states, goals)
    mean = features @ P["actor/mean_net/kernel"] + P["actor/mean_net/bias"]
    log_std = torch.zeros_like(mean)
    if "actor/log_std_net/kernel" in P:
        log_std = features @ P["actor/log_std_net/kernel"] + P["actor/log_std_net/bias"]
    elif "actor/log_stds" in P:
        log_std = P["actor/log_stds"].expand_as(mean)
    return mean, log_std.clip(-5, 2).exp()


def density(x, mean, std):
    """Log-density (B,) of normal vectors (B, D)."""
    return (-0.5 * ((x - mean) / std) ** 2 - std.log() - 0.5 * np.log(2 * np.pi)).sum(-1)


def sample(P, c, states, goals, eps):
    """Actions and their log-density; the Jacobian of tanh as log(1 - a^2)."""
    mean, std = actor(P, states, goals)
    raw = mean + std * eps.reshape(mean.shape)
    log_prob = density(raw, mean, std)
    if not c["tanh_squash"]:
        return raw, log_prob
    action = torch.tanh(raw)
    return action, log_prob - (1 - action**2).log().sum(-1)


def aggregate(c, q):
    return q.min(0).values if c["q_agg"] == "min" else q.mean(0)


def errors(c, raw, target):
    return cross_entropy(raw, target) if c["value_loss"] == "bce" else (raw - target) ** 2


def decode(c, raw):
    return raw.sigmoid() if c["value_loss"] == "bce" else raw


def gciql(c, F, T, batch, noise):
    s, a, gv, ga = (batch[k] for k in ("observations", "actions", "value_goals", "actor_goals"))
    q, v = members(F, "target_critic", s, gv, a), scalar(T, "value", s, gv)
    low = q.min(0).values
    weight = (low >= v) * c["expectile"] + (low < v) * (1 - c["expectile"])
    y = batch["rewards"] + c["discount"] * batch["masks"] * scalar(
        F, "value", batch["next_observations"], gv
    )
    mean, std = actor(T, s, ga)
    log_prob = density(a, mean, std)
    out = {"target_critic": q, "value_predictions": v, "critic_target": y, "actor_mean": mean}
    out["value_loss"] = (weight * (low - v) ** 2).mean()
    out["critic_loss"] = ((members(T, "critic", s, gv, a) - y) ** 2).sum(0).mean()
    if c["actor_loss"] == "awr":
        advantage = members(F, "critic", s, ga, a).min(0).values - scalar(F, "value", s, ga)
        out["actor_loss"] = -((c["alpha"] * advantage).exp().clip(max=100) * log_prob).mean()
    else:
        chosen = members(F, "critic", s, ga, mean.clip(-1, 1)).min(0).values
        out["q_loss"] = -chosen.mean() / (chosen.abs().mean().detach() + 1e-6)
        out["bc_loss"] = -c["alpha"] * log_prob.mean()
        out["actor_loss"] = out["q_loss"] + out["bc_loss"]
    out["total_loss"] = out["value_loss"] + out["critic_loss"] + out["actor_loss"]
    return out


def backup(c, batch, values):
    """R_k + gamma^k m times the values of s_k."""
    per_row = c["discount"] ** batch["high_value_subgoal_steps"] * batch["high_value_masks"]
    return batch["high_value_rewards"] + per_row * values


def ngcsacbc(c, F, T, batch, noise):
    s, a, after = (batch[k] for k in ("observations", "actions", "high_value_next_observations"))
    gv, ga = batch["high_value_goals"], batch["high_actor_goals"]
    following, _ = sample(F, c, after, gv, noise["next_action_eps"])
    y = aggregate(c, decode(c, members(F, "target_critic", after, gv, following)))
    low, high = (-1 / (1 - c["discount"]), 0) if c["gc_negative"] else (0, 1)
    y = backup(c, batch, y).clip(low, high)
    out = {"critic_loss": errors(c, members(T, "critic", s, gv, a), y).mean()}
    mean, std = actor(T, s, ga)
    out |= {"actor_pretanh_mean": mean, "actor_pretanh_std": std}
    chosen, log_prob = sample(T, c, s, ga, noise["actor_eps"])
    q = members(F, "critic", s, ga, chosen).mean(0)
    out["actor_loss"] = (F["lam/log_value"].exp() * log_prob - q).mean()
    entropy = -log_prob.mean().detach()
    out["lam_loss"] = T["lam/log_value"].exp() * (entropy - c["target_entropy"])
    out["bc_loss"] = c["alpha"] * ((chosen - a) ** 2).sum(-1).mean()
    out["scaled_bc_loss"] = out["bc_loss"] * q.abs().mean().detach()
    out["actor_total_loss"] = out["actor_loss"] + out["lam_loss"] + out["scaled_bc_loss"]
    out["total_loss"] = out["critic_loss"] + out["actor_total_loss"]
    return out


def sharsa(c, F, T, batch, noise):
    s, a, after = (batch[k] for k in ("observations", "actions", "high_value_next_observations"))
    gv, w = batch["high_value_goals"], batch["high_value_actions"]
    q, v = members(F, "target_high_critic", s, gv, w), scalar(T, "high_value", s, gv)
    out = {"target_high_critic_logits": q, "high_value_logits": v}
    values = aggregate(c, decode(c, q))
    weight = 1.0
    if c["value_loss"] == "squared":
        weight = (values >= v) * c["expectile"] + (values < v) * (1 - c["expectile"])
    out["value_loss"] = (weight * errors(c, v, values)).mean()
    y = backup(c, batch, decode(c, scalar(F, "high_value", after, gv)))
    out["high_critic_target"] = y
    out["critic_loss"] = errors(c, members(T, "high_critic", s, gv, w), y).mean(1).sum()
    for level, data, goal in (
        ("high", batch["high_actor_actions"], batch["high_actor_goals"]),
        ("low", a, batch["low_actor_goals"]),
    ):
        t, x0 = (noise[f"{level}_flow_{x}"] for x in ("t", "x0"))
        speed = network(T, f"{level}_actor_flow", s, goal, (1 - t) * x0 + t * data, t)
        out[f"{level}_actor_actor_loss"] = ((speed - (data - x0)) ** 2).mean()
    losses = ("value_loss", "critic_loss", "high_actor_actor_loss", "low_actor_actor_loss")
    return out | {"total_loss": sum(out[name] for name in losses)}


FORWARD = {"gciql": gciql, "ngcsacbc": ngcsacbc, "sharsa": sharsa}


def euler(P, c, module, states, goals, z):
    for k in range(c["flow_steps"]):
        time = torch.full_like(z[..., :1], k / c["flow_steps"])
        z = z + network(P, module, states, goals, z, time) / c["flow_steps"]
    return z


def acting(c, F, test, noise):
    """Actions of the acting tests, by the names of ``out/``."""
    states, goals = test["observations"], test["goals"]
    if c["agent_name"] == "sharsa":
        z = noise["test_single_subgoal_z"]
        one, goal = (x[:1].expand(len(z), -1) for x in (states, goals))
        subgoals = euler(F, c, "high_actor_flow", one, goal, z)
        best = members(F, "high_critic", one, goal, subgoals).min(0).values.argmax()
        z, chosen = noise["test_single_action_z"][None], subgoals[best][None]
        action = euler(F, c, "low_actor_flow", states[:1], chosen, z)
        return {"test_action_single": action[0].clip(-1, 1)}
    mean, std = actor(F, states, goals)
    raw = [mean, mean + std * noise["test_temp1_eps"].reshape(mean.shape)]
    squash = torch.tanh if c.get("tanh_squash") else torch.as_tensor
    return {f"test_actions_temperature{t}": squash(x).clip(-1, 1) for t, x in enumerate(raw)}


def evaluate(c, arrays):
    """All results of a case; see ``oracle.evaluate``."""
    return oracle.evaluate(c, arrays, FORWARD[c["agent_name"]], acting)
