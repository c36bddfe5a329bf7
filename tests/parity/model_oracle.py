"""MOPO's, MOBILE's and LEQ's losses written out slowly in float64, from docs/agents.

As ``goal_oracle.py``, whose Gaussian policy and ensembles it uses: it shares nothing with ``mac``.
"""

from __future__ import annotations

import torch

from . import oracle
from .goal_oracle import aggregate, decode, density, errors, sample
from .oracle import cross_entropy, network, scalar
from .oracle import members as scalars


def distribution(P, states, actions):
    """Means and spreads (E, ..., O) of the models, one by one."""
    mine = {name: value for name, value in P.items() if name.startswith("dynamics/")}
    means, stds = [], []
    for e in range(len(mine["dynamics/Dense_0/bias"])):
        raw = network({n: v[e] for n, v in mine.items()}, "dynamics", states, actions)
        change, width = raw.split(states.shape[-1], -1)
        means.append(states + change)
        stds.append((-5 + 6 * width.sigmoid()).exp())
    return torch.stack(means), torch.stack(stds)


def supervised(T, batch):
    """What the models and the heads learn, from real rows."""
    s, a, after, gv = (
        batch.get(k) for k in ("observations", "actions", "next_observations", "value_goals")
    )
    mean, std = distribution(T, s, a)
    log_prob = torch.stack([density(after, *each) for each in zip(mean, std, strict=True)])
    out = {"dynamics_mean": mean, "dynamics_std": std, "dynamics_log_prob": log_prob}
    out["dynamics_loss"] = -log_prob.mean()
    success, reward = (scalar(T, head, s, gv, a) for head in ("success", "reward"))
    out["success_loss"] = cross_entropy(success, 1 - batch["masks"]).mean()
    out["reward_loss"] = ((reward - batch["rewards"]) ** 2).mean()
    return out


def penalties(c, F, rows, noise):
    means, stds = distribution(F, rows["observations"], rows["actions"])
    if c["agent_name"] == "mopo":
        return torch.stack([(std**2).sum(-1).sqrt() for std in stds]).max(0).values
    models = []
    for e, (mean, std) in enumerate(zip(means, stds, strict=True)):
        values = []
        for k in range(c["num_samples"]):
            eps, action_eps = (noise[f"penalty_{x}_eps"][0, e, k] for x in ("dyn", "action"))
            state, goals = mean + std * eps, rows.get("value_goals")
            action, _ = sample(F, c, state, goals, action_eps)
            values.append(scalars(F, "target_critic", state, goals, action).mean(0))
        models.append(torch.stack(values).mean(0))
    return torch.stack(models).std(0, correction=0)


def rollouts(c, F, batch, noise):
    """Imagined transitions from the real states, step by step."""
    state, gv, rows = batch["observations"], batch.get("value_goals"), []
    for h in range(c["rollout_steps"] if "mb_h0_action_eps" in noise else 0):
        action = sample(F, c, state, gv, noise[f"mb_h{h}_action_eps"])[0].clip(-1, 1)
        means, stds = distribution(F, state, action)
        drawn = means + stds * noise[f"mb_h{h}_dyn_eps"].reshape(means.shape)
        picked = noise[f"mb_h{h}_member"].long()
        after = torch.stack([drawn[e, b] for b, e in enumerate(picked)])
        solved = (scalar(F, "success", state, gv, action) > 0).double()
        reward = scalar(F, "reward", state, gv, action)
        if gv is not None:
            reward = solved - (1.0 if c["gc_negative"] else 0.0)
        goals = {} if gv is None else {k: batch[k] for k in ("value_goals", "actor_goals")}
        step = {"observations": state, "actions": action, "next_observations": after}
        rows.append({**step, "rewards": reward, "masks": 1 - solved, **goals})
        state = after
    names = rows[0] if rows else ()
    return {f"mb_rollout_{name}": torch.cat([row[name] for row in rows]) for name in names}


def soft(c, F, T, batch, noise):
    """MOPO and MOBILE."""
    fake = {k.removeprefix("fake_"): v for k, v in batch.items() if k.startswith("fake_")}
    real = {k: v for k, v in batch.items() if not k.startswith("fake_")}
    out = supervised(T, real) | rollouts(c, F, real, noise)
    out["penalty"] = penalties(c, F, fake, noise)
    fake["rewards"] = fake["rewards"] - c["beta"] * out["penalty"]
    rows = {k: torch.cat([real[k], fake[k]]) for k in real}
    out["combined_rewards"] = rows["rewards"]
    s, a, after = (rows[k] for k in ("observations", "actions", "next_observations"))
    gv, ga = rows.get("value_goals"), rows.get("actor_goals")
    following, _ = sample(F, c, after, gv, noise["next_action_eps"])
    y = aggregate(c, decode(c, scalars(F, "target_critic", after, gv, following)))
    y = rows["rewards"] + c["discount"] * rows["masks"] * y
    if gv is not None:
        y = y.clip(*((-1 / (1 - c["discount"]), 0) if c["gc_negative"] else (0, 1)))
    out["critic_loss"] = errors(c, scalars(T, "critic", s, gv, a), y).mean()
    chosen, log_prob = sample(T, c, s, ga, noise["actor_eps"])
    q = scalars(F, "critic", s, ga, chosen).mean(0)
    out["actor_loss"] = (F["lam/log_value"].exp() * log_prob - q).mean()
    entropy = -log_prob.mean().detach()
    out["lam_loss"] = T["lam/log_value"].exp() * (entropy - c["target_entropy"])
    out["actor_total_loss"] = out["actor_loss"] + out["lam_loss"]
    names = ("dynamics_loss", "success_loss", "reward_loss", "critic_loss", "actor_total_loss")
    return out | {"total_loss": sum(out[name] for name in names)}


def policy(P, c, states, goals):
    features = network(P, "actor", states, goals)
    raw = features @ P["actor/mean_net/kernel"] + P["actor/mean_net/bias"]
    return torch.tanh(raw) if c["tanh_squash"] else raw


def imagine(c, F, state, goals, noise, role, shifts):
    """States, actions, survival, values and returns of LEQ's rollouts, lists by step."""
    S, A, R, W = [state], [policy(F, c, state, goals) + shifts[0]], [], [torch.ones(len(state))]
    for h in range(c["rollout_steps"]):
        means, stds = distribution(F, S[h], A[h])
        eps = noise[f"{role}_h{h}_dyn_eps"]
        if role == "critic":
            drawn = means + stds * eps.reshape(means.shape)
            picked = noise[f"critic_h{h}_member"].long()[:, None].expand_as(state)
        else:
            drawn = means + stds * eps[:, 0].transpose(0, 1)
            picked = noise[f"actor_h{h}_member_per_dim"].long()
        solved = (scalar(F, "success", S[h], goals, A[h]) > 0).double()
        reward = scalar(F, "reward", S[h], goals, A[h])
        R.append(reward if goals is None else solved - 1)
        W.append(W[h] * (1 - solved))
        S.append(drawn.gather(0, picked[None])[0])
        A.append(policy(F, c, S[-1], goals) + shifts[h + 1])
    Q = [scalar(F, "critic", s, goals, a) for s, a in zip(S, A, strict=True)]
    G, count = [Q[-1]], 1.0
    for h in reversed(range(c["rollout_steps"])):
        ahead = W[h] * R[h] + W[h + 1] * c["discount"] * G[0]
        G.insert(0, (Q[h] + c["lam"] * count * ahead) / (1 + c["lam"] * count))
        count = 1 + c["lam"] * count
    return S, A, W, Q, G


def leq(c, F, T, batch, noise):
    s, a, after = (batch[k] for k in ("observations", "actions", "next_observations"))
    gv, ga = batch.get("value_goals"), batch.get("actor_goals")
    out, H, rho = supervised(T, batch), c["rollout_steps"], c["model_batch_ratio"]
    S, A, W, Q, G = imagine(c, F, s, gv, noise, "critic", [0.0] * (H + 1))
    y = scalar(F, "critic", after, gv, policy(F, c, after, gv))
    y = batch["rewards"] + c["discount"] * batch["masks"] * y
    q = scalar(T, "critic", s, gv, a)
    model, distance = 0.0, (1 - rho) * ((scalar(F, "target_critic", s, gv, a) - q) ** 2).mean()
    for h in range(H):
        weight = W[h] * c["discount"] ** h / H
        above = (G[h] > Q[h]).double()
        level = above * c["expectile"] + (1 - above) * (1 - c["expectile"])
        model = model + (weight * level * (G[h] - Q[h]) ** 2).mean()
        target = scalar(F, "target_critic", S[h], gv, A[h])
        distance = distance + rho * (weight * (target - Q[h]) ** 2).mean()
    out["critic_reg_loss"] = distance
    out["critic_loss"] = (1 - rho) * 0.5 * ((y - q) ** 2).mean() + rho * model + distance

    shifts = [torch.zeros_like(a, requires_grad=True) for _ in range(H + 1)]
    with torch.enable_grad():
        S, A, W, Q, G = imagine(c, F, s, ga, noise, "actor", shifts)
        each = zip(G, shifts, strict=True)
        slopes = [torch.autograd.grad(g.sum(), x, retain_graph=True)[0] for g, x in each]
    loss = 0.0
    for h, slope in enumerate(slopes):
        above = (G[h] > Q[h]).double()
        level = above * c["expectile"] + (1 - above) * (1 - c["expectile"]) if h < H else 0.5
        chosen = policy(T, c, S[h].detach(), ga)
        loss = loss - (torch.as_tensor(level).reshape(-1, 1) * slope * chosen).mean(0).sum()
    out["actor_loss"] = loss
    names = ("dynamics_loss", "success_loss", "reward_loss", "critic_loss", "actor_loss")
    out["total_loss"] = sum(out[name] for name in names)
    return {k: v for k, v in out.items() if k != "dynamics_log_prob"}


FORWARD = {"mopo": soft, "mobile": soft, "leq": leq}


def acting(c, F, test, noise):
    """Actions of the acting tests, by the names of ``out/``."""
    states, goals = test["observations"], test.get("goals")
    if c["agent_name"] == "leq":
        return {"test_actions": policy(F, c, states, goals).clip(-1, 1)}
    eps = noise["test_temp1_eps"]
    drawn = [sample(F, c, states, goals, t * eps)[0].clip(-1, 1) for t in (0, 1)]
    return {f"test_actions_temperature{t}": action for t, action in enumerate(drawn)}


def evaluate(c, arrays):
    """All results of a case; see ``oracle.evaluate``. Imagined rows count as of the batch."""
    arrays = {name.replace("fake_batch/", "batch/fake_"): array for name, array in arrays.items()}
    return oracle.evaluate(c, arrays, FORWARD[c["agent_name"]], acting)
