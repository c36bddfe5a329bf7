"""The original's losses written out slowly in float64, from docs/agents, on its own names.

It shares nothing with ``mac`` but torch. ``test_oracle.py`` holds it against the cases of the
original; where it agrees, ``made_up.py`` makes further cases: other shapes, widths, options.

Parameters come twice: ``T`` receives gradients, ``F`` holds the same numbers as constants.
"""

from __future__ import annotations

import numpy as np
import torch

HEADS = ("success", "reward")
AGENTS = ("mac", "mbrs_ac", "mbfql", "model_ac")
TARGET = "target_value"


def network(P, module, *inputs):
    """Hidden layers affine, GELU, LayerNorm where stored; then the affine output where stored."""
    x = torch.cat([i for i in inputs if i is not None], -1)
    depth = sum(name.startswith(f"{module}/Dense_") and name.endswith("kernel") for name in P)
    trunk_only = f"{module}/mean_net/kernel" in P
    for i in range(depth):
        x = x @ P[f"{module}/Dense_{i}/kernel"] + P[f"{module}/Dense_{i}/bias"]
        if i == depth - 1 and not trunk_only:
            return x
        x = 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))
        if f"{module}/LayerNorm_{i}/scale" in P:
            x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, False, keepdim=True) + 1e-6).sqrt()
            x = x * P[f"{module}/LayerNorm_{i}/scale"] + P[f"{module}/LayerNorm_{i}/bias"]
    return x


def scalar(P, module, *inputs):
    return network(P, module, *inputs)[..., 0]


def members(P, module, *inputs):
    """Outputs (E, ...) of an ensemble, member by member."""
    mine = {name: value for name, value in P.items() if name.startswith(f"{module}/")}
    count = len(next(iter(mine.values())))
    outputs = [scalar({n: v[e] for n, v in mine.items()}, module, *inputs) for e in range(count)]
    return torch.stack(outputs)


def spread(x, goals):
    """Goals (B, G) beside points (..., B, D)."""
    return None if goals is None else goals.expand(*x.shape[:-1], goals.shape[-1])


def cross_entropy(logits, labels):
    return -(labels * logits.sigmoid().log() + (1 - labels) * (-logits).sigmoid().log())


def gaussian(P, c, states, goals):
    """Mean and standard deviation of the Gaussian actor, before its tanh."""
    features = network(P, "actor", states, goals)
    mean = features @ P["actor/mean_net/kernel"] + P["actor/mean_net/bias"]
    mean = torch.tanh(mean) if c["mean_tanh_squash"] else mean
    if c["state_dependent_std"]:
        log_std = features @ P["actor/log_std_net/kernel"] + P["actor/log_std_net/bias"]
    else:
        log_std = P["actor/log_stds"].expand_as(mean)
    return mean, log_std.clip(-5, 2).exp()


def policy(P, c, states, goals, z):
    """Chunks before clipping of noise (..., B, D) at states (B, O)."""
    states = states.expand(*z.shape[:-1], states.shape[-1])
    if c["agent_name"] != "mbrs_ac":
        return network(P, "actor_onestep_flow", states, spread(z, goals), z)
    mean, std = gaussian(P, c, states, spread(z, goals))
    return torch.tanh(mean + std * z) if c["tanh_squash"] else mean + std * z


def plan(P, c, states, goals, z):
    """Chosen chunks, all candidates and their scores; without rejection the chunks alone."""
    candidates = policy(P, c, states, goals, z).clip(-1, 1)
    if c["agent_name"] == "mbfql":
        return candidates, None, None
    states = states.expand(*z.shape[:-1], states.shape[-1])
    scores = scalar(P, "critic", states, spread(z, goals), candidates)
    best = scores.argmax(0)
    rows = [candidates[j, row] for row, j in enumerate(best)]
    return torch.stack(rows), candidates, scores


def euler(P, c, module, states, goals, z):
    for k in range(c["flow_steps"]):
        time = torch.full_like(z[..., :1], k / c["flow_steps"])
        z = z + network(P, module, states, goals, z, time) / c["flow_steps"]
    return z.clip(-1, 1)


def forward(c, F, T, batch, noise):
    """Every quantity before the update, by the names of ``out/``."""
    name = c["agent_name"]
    s, a, after = batch["observations"], batch["actions"], batch["next_observations"]
    gv, ga = batch.get("value_goals"), batch.get("actor_goals")
    out = {"dynamics_prediction": s + network(T, "dynamics", s, a)}
    out["dynamics_loss"] = ((out["dynamics_prediction"] - after) ** 2).mean()
    if name == "model_ac":
        return {"dynamics_loss": out["dynamics_loss"], "total_loss": out["dynamics_loss"]}
    success, reward = (scalar(T, head, s, gv, a) for head in HEADS)
    out["success_loss"] = cross_entropy(success, 1 - batch["masks"]).mean()
    out["reward_loss"] = ((reward - batch["rewards"]) ** 2).mean()
    if name == "mbrs_ac":
        mean, std = gaussian(T, c, s, ga)
        raw = torch.atanh(a) if c["tanh_squash"] else a
        density = -0.5 * ((raw - mean) / std) ** 2 - std.log() - 0.5 * np.log(2 * np.pi)
        density = density - torch.log(1 - a**2) if c["tanh_squash"] else density
        out["actor_loss"] = -density.sum(-1).mean()
    else:
        field = "actor_flow" if name == "mac" else "actor_bc_flow"
        t, x0 = noise["flow_t"], noise["flow_x0"]
        speed = network(T, field, s, ga, (1 - t) * x0 + t * a, t)
        out["flow_loss"] = ((speed - (a - x0)) ** 2).mean()
    if name == "mac":
        z = noise["distill_z"]
        teacher = euler(F, c, field, s, ga, z)
        out["distill_target_actions"] = teacher
        out["distill_loss"] = ((policy(T, c, s, ga, z) - teacher) ** 2).mean()
        out["actor_loss"] = out["flow_loss"] + out["distill_loss"]

    rows = min(len(s), c["rollout_batch_size"]) if name == "mac" else len(s)
    state, goal = s[:rows], None if gv is None else gv[:rows]
    S, A, S1, candidates, scores = [], [], [], [], []
    for h in range(c["rollout_steps"]):
        z = noise[f"rollout_h{h}_eps" if name == "mbrs_ac" else f"rollout_h{h}_z"]
        z = z.reshape(z.shape[-3:])
        chunk, proposed, score = plan(F, c, state, goal, z)
        S.append(state)
        A.append(chunk)
        candidates.append(proposed)
        scores.append(score)
        state = state + network(F, "dynamics", state, chunk)
        S1.append(state)
    S, A, S1 = torch.stack(S), torch.stack(A), torch.stack(S1)
    G = spread(S, goal)
    out |= {"rollout_observations": S, "rollout_actions": A, "rollout_next_observations": S1}
    if name != "mbfql":
        out["rollout_candidate_actions"] = torch.stack(candidates)
        out["rollout_candidate_q"] = torch.stack(scores)
    out["success_logits"] = scalar(F, "success", S, G, A)
    out["reward_predictions"] = scalar(F, "reward", S, G, A)
    solved = (out["success_logits"].sigmoid() > 0.5).double()
    r = out["reward_predictions"] if gv is None else solved - (1.0 if c["gc_negative"] else 0.0)
    m = 1 - solved
    out |= {"rollout_rewards": r, "rollout_masks": m}

    logits = c["value_loss"] == "bce"
    bootstrap = TARGET if c["target_network"] else "value"
    out["target_values"], out["target_next_values"] = (scalar(F, bootstrap, x, G) for x in (S, S1))
    v, v1 = out["target_values"], out["target_next_values"]
    if logits:
        v, v1 = v.sigmoid(), v1.sigmoid()
    per_chunk = c["discount"] ** c["action_chunking"]
    d = c["discount"] if name == "mbfql" else per_chunk
    advantage, returns = torch.zeros(rows, dtype=torch.float64), []
    for h in reversed(range(len(S))):
        advantage = r[h] + d * m[h] * v1[h] - v[h] + d * c["lam"] * m[h] * advantage
        returns.insert(0, v[h] + advantage)
    out["returns"] = torch.stack(returns)
    y = r[0] + per_chunk * m[0] * scalar(F, "value", S1[0], goal)
    out["values"] = scalar(T, "value", S, G)
    out["critic_prediction"] = scalar(T, "critic", S[0], goal, A[0])
    out["critic_target"] = y
    for loss, prediction, target in (
        ("value_loss", out["values"], out["returns"]),
        ("critic_loss", out["critic_prediction"], y),
    ):
        if logits:
            out[loss] = cross_entropy(prediction, target.clip(0, 1)).mean()
        else:
            out[loss] = ((prediction - target) ** 2).mean()
    if name == "mbfql":
        z = noise["distill_z"]
        teacher = euler(F, c, field, S, G, z)
        student = network(T, "actor_onestep_flow", S, G, z)
        q = scalar(F, "critic", S, G, student.clip(-1, 1)).mean(0)
        out |= {"distill_target_actions": teacher, "actor_policy_actions": student}
        out["distill_loss"] = ((student - teacher) ** 2).mean()
        out["q_loss"] = -q.mean() / q.abs().mean().detach()
        out["actor_loss"] = c["alpha"] * out["distill_loss"] + out["q_loss"]
    total = ["dynamics", "success", "reward", "actor", "value", "critic"]
    total += ["flow"] if name == "mbfql" else []
    out["total_loss"] = sum(out[f"{loss}_loss"] for loss in total)
    return out


def acting(c, F, test, noise):
    """Actions of the acting tests, by the names of ``out/``."""
    if c["agent_name"] == "model_ac":
        return {}
    states, goals = test["observations"], test.get("goals")
    kind = "eps" if c["agent_name"] == "mbrs_ac" else "z"
    first = c["action_chunking_test"] * (c["action_dim"] // c["action_chunking"])
    draws = {}
    for purpose in ("batch", "full", "single"):
        z = noise[f"test_{purpose}_{kind}"]
        z = z.reshape(z.shape[-2:] if purpose == "single" else z.shape[-3:])
        draws[purpose] = z.reshape(-1, 1, z.shape[-1]) if purpose == "single" else z
    if c["agent_name"] == "mbfql":
        draws["single"] = draws["single"][0]
    out = {}
    chosen, candidates, scores = plan(F, c, states, goals, draws["batch"])
    out["test_actions"] = chosen[:, :first]
    if c["agent_name"] == "mac":
        out["test_candidate_actions"], out["test_candidate_q"] = candidates, scores
    out["test_actions_trainmode"] = plan(F, c, states, goals, draws["full"])[0]
    one = plan(F, c, states[:1], None if goals is None else goals[:1], draws["single"])[0]
    out["test_action_single"] = one[0, :first]
    return out


def gradients(c, P, batch, noise, forward=forward):
    """Gradient of the total loss for every parameter, zero where there is none."""
    T = {name: value.clone().requires_grad_() for name, value in P.items()}
    total = forward(c, P, T, batch, noise)["total_loss"]
    found = torch.autograd.grad(total, list(T.values()), allow_unused=True)
    zero = torch.zeros_like
    return {n: zero(P[n]) if g is None else g for n, g in zip(T, found, strict=True)}


def update(c, P, batch, noise, steps, forward=forward):
    """Parameters after one to ``steps`` updates: Adam, and a target that lags by one step."""
    first, second = ({n: torch.zeros_like(p) for n, p in P.items()} for _ in "12")
    for step in range(1, steps + 1):
        after = {}
        for name, g in gradients(c, P, batch, noise, forward).items():
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.999 * second[name] + 0.001 * g**2
            mean, square = first[name] / (1 - 0.9**step), second[name] / (1 - 0.999**step)
            after[name] = P[name] - c["lr"] * mean / (square.sqrt() + 1e-8)
        for name in (n for n in P if n.startswith("target_")):
            online = name.removeprefix("target_")
            after[name] = c["tau"] * P[online] + (1 - c["tau"]) * P[name]
        P = after
        yield P


def evaluate(c, arrays, forward=forward, acting=acting):
    """All results of a case, float64, from its settings and its inputs."""

    def group(name):
        prefix = f"{name}/"
        found = {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
        return {k: torch.from_numpy(v.astype(np.float64)) for k, v in found.items()}

    P, batch, test = group("params"), group("batch"), group("test")
    noise = {name.split("_", 1)[1]: draw for name, draw in group("noise").items()}
    results = {"out": forward(c, P, P, batch, noise) | acting(c, P, test, noise)}
    results["grad"] = gradients(c, P, batch, noise, forward)
    after = list(update(c, P, batch, noise, 3, forward))
    results |= {"step1": after[0], "step3": after[2]}
    last = forward(c, after[2], after[2], batch, noise)["total_loss"]
    results["out"]["total_loss_after3"] = last
    return {f"{g}/{name}": x.numpy() for g, part in results.items() for name, x in part.items()}
