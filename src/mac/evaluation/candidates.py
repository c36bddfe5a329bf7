"""What rejection sampling does on held-out states: how its candidates differ, and whom it picks.

Of N candidates the sampler keeps the one of highest critic score. On B states:

    gap             mean over states of (best score - mean score)
    spread          mean over states and coordinates of the candidates' standard deviation
    rank            mean over states of Spearman's correlation of scores and imagined returns
    distance        mean over states of the kept chunk's distance to the nearest data chunk
    data_distance   the same for held-out chunks of the data: what distance is ordinary
    kl_bound        log N - (N - 1) / N, which no best-of-N sampler exceeds in divergence from what
                    proposes

A distance is the root mean square over a chunk's n A coordinates, so that it is in action units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from mac.components.select import best_of
from mac.rng import stream

if TYPE_CHECKING:
    from mac.agents.base import Agent
    from mac.data.views import Chunks

STATES = 256
DATA_CHUNKS = 4096


@torch.no_grad()
def diagnose_candidates(
    agent: Agent, held_out: Chunks, data: Chunks, seed: int, device: torch.device | str
) -> dict[str, float | int | None]:
    """The numbers above, of an agent with :attr:`~mac.agents.base.Agent.rejection`.

    Args:
        agent: with all its weights.
        held_out: states, their goals and their chunks.
        data: chunks among which the nearest is sought.
        seed: states, candidates, rollouts and the data's sample are functions of it.
        device: where the agent is.
    """

    def tensor(array: Any) -> torch.Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=device)

    batch = held_out.sample(stream(seed, "diagnose", "states"), STATES)
    states, goals = tensor(batch.observations), tensor(batch.value_goals)
    count, width = agent.act_noise["z"]
    noise = stream(seed, "diagnose", "candidates").standard_normal((count, STATES, width))
    chunks, scores = agent.rejection.propose(states, goals, tensor(noise))
    returns = imagined_returns(agent.parts["value"], states, goals, chunks, seed)
    kept = best_of(chunks, scores)
    near = data.sample(stream(seed, "diagnose", "data"), DATA_CHUNKS).actions
    chunks, scores, returns, kept = (
        x.double().cpu().numpy() for x in (chunks, scores, returns, kept)
    )
    return {
        "states": STATES,
        "candidates": count,
        "horizon": agent.parts["value"].rollout_length,
        "gap": float((scores.max(0) - scores.mean(0)).mean()),
        "spread": float(chunks.std(0).mean()),
        "rank": rank_correlation(scores, returns),
        "distance": nearest(kept, near),
        "data_distance": nearest(batch.actions, near),
        "kl_bound": kl_bound(count),
    }


def imagined_returns(
    values: Any, states: torch.Tensor, goals: torch.Tensor, chunks: torch.Tensor, seed: int
) -> torch.Tensor:
    """Imagined returns (N, B) of candidates (N, B, n, A); all of a state meet the same noise.

    ``values`` is the part that learnt from rollouts, whose model and acting rule go on after the
    candidate, for as many chunks as in training.
    """
    lead, width = values.act_noise
    shape = (values.rollout_length, *lead, len(states), width)
    noise = stream(seed, "diagnose", "rollouts").standard_normal(shape, dtype=np.float32)
    noise = torch.as_tensor(noise, dtype=states.dtype, device=states.device)
    return torch.stack([values.outlook(states, goals, first, noise) for first in chunks])


def kl_bound(candidates: int) -> float:
    """Most that the chosen one's distribution diverges from the candidates' own, in nats."""
    return float(np.log(candidates) - (candidates - 1) / candidates)


def rank_correlation(scores: np.ndarray, returns: np.ndarray) -> float | None:
    """Mean over states of Spearman's correlation over candidates, of (N, B) each.

    States whose scores or returns are all equal have none; None where no state has one.
    """
    ranks = [rankdata(x, axis=0) for x in (scores, returns)]
    first, second = (x - x.mean(0) for x in ranks)
    size = np.sqrt((first**2).sum(0) * (second**2).sum(0))
    varied = size > 0
    if not varied.any():
        return None
    return float(((first * second).sum(0)[varied] / size[varied]).mean())


def nearest(chunks: np.ndarray, data: np.ndarray) -> float:
    """Mean over chunks (B, n, A) of the distance to the nearest of ``data`` (M, n, A)."""
    first, second = (x.reshape(len(x), -1) for x in (chunks, data))
    return float(cdist(first, second).min(1).mean() / np.sqrt(first.shape[1]))
