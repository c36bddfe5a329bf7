"""Plays seeded episodes side by side; a few actions of every plan are executed open loop.

A wave is a fixed number of slots whose episodes start together: all of them plan at the same steps,
and the policy always sees the same batch shape. An episode is a pure function of (checkpoint, seed,
task, episode, slot): it has its own environment seed and its own noise, and a slot whose episode
has ended, or that never had one, is padding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from mac.envs.vector import Episodes
from mac.errors import CheckpointError, ConfigError, ShapeError
from mac.rng import stream, torch_seed

if TYPE_CHECKING:
    from mac.config.schema import AgentConfig
    from mac.data.normalize import Normalizer

_SEED_RANGE = 2**31  # what every simulator accepts


class Policy(Protocol):
    """The part of an agent that evaluation uses; tensors carry a leading slot axis W."""

    act_noise: Mapping[str, tuple[int, ...]]

    def act(
        self, observations: torch.Tensor, goals: torch.Tensor, noise: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Action chunks (W, n, A)."""

    def value(self, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor | None:
        """Values (W,), or None where the agent has no value function."""


@dataclass(frozen=True)
class Episode:
    """One episode to play: its task, the task's number in the environment, and its index."""

    task: str
    task_id: int
    index: int


@dataclass(frozen=True)
class Rules:
    """How episodes are played and what is recorded of them.

    Attributes:
        seed: of the run; environment seeds and noise derive from it.
        first_seed: added to an episode's index when its seeds are derived, so that experiments can
            be tuned on episodes that no reported number uses.
        execute_length: actions executed of every plan.
        discount: per environment step.
        reward: ``environment`` for the environment's reward, ``goal_negative`` for -1 until success
            and ``goal_positive`` for 1 at success, as goal-conditioned value functions are trained.
        reward_scale: what the discounted return is divided by to be on the value function's scale.
        value_horizon: environment steps that an unsolved episode goes on for, beyond its limit, if
            there is a value estimate: the value function knows of no limit. What happens there
            counts in the discounted return alone.
    """

    seed: int
    execute_length: int
    discount: float
    first_seed: int = 0
    reward: str = "environment"
    reward_scale: float = 1.0
    value_horizon: int = 0


def rules_of(config: AgentConfig, seed: int) -> Rules:
    """Rules that a resolved configuration asks for.

    The discounted return is put on the scale of V, which sums *chunk* rewards with discount
    gamma**n. Reward mode: a chunk's reward is sum_k gamma**k r_k, divided by n where
    ``chunk_reward`` is ``mean``. Goal mode: a chunk's reward is -1 until success, which is what n
    steps of reward -1 make after division by sum_{k<n} gamma**k; or 1 at success, unscaled.
    """
    length, discount = config.chunk_length, config.discount
    if config.mode == "reward":
        reward, scale = "environment", length if config.chunk_reward == "mean" else 1.0
    elif config.goals.negative:
        reward, scale = "goal_negative", sum(discount**k for k in range(length))
    else:
        reward, scale = "goal_positive", 1.0
    return Rules(
        seed=seed,
        first_seed=config.evaluate.first_seed,
        execute_length=config.evaluate.execute_length,
        discount=discount,
        reward=reward,
        reward_scale=scale,
        value_horizon=config.evaluate.value_horizon or 0,
    )


def env_seed(rules: Rules, episode: Episode) -> int:
    """Seed of the environment for one episode; every agent and checkpoint meets the same ones."""
    number = torch_seed(rules.seed, "evaluate-env", episode.task, rules.first_seed + episode.index)
    return number % _SEED_RANGE


def plan_noise(
    shapes: Mapping[str, tuple[int, ...]], rules: Rules, episode: Episode, plan: int
) -> dict[str, np.ndarray]:
    """Standard normal noise of one episode's ``plan``-th plan, by name."""
    draws = stream(
        rules.seed, "evaluate", episode.task, rules.first_seed + episode.index, counter=plan
    )
    return {name: draws.standard_normal(shapes[name], dtype=np.float32) for name in sorted(shapes)}


class Player:
    """A policy as NumPy sees it: raw observations and goals in, clipped actions out."""

    def __init__(self, policy: Policy, normalizer: Normalizer, device: torch.device | str) -> None:
        self.policy, self.normalizer, self.device = policy, normalizer, device

    def _inputs(self, observations: np.ndarray, goals: np.ndarray) -> list[torch.Tensor]:
        inputs = (self.normalizer.observations(observations), self.normalizer.goals(goals))
        return [torch.as_tensor(x, dtype=torch.float32, device=self.device) for x in inputs]

    @torch.inference_mode()
    def plan(
        self, observations: np.ndarray, goals: np.ndarray, noise: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Chunks (W, n, A) clipped to [-1, 1]."""
        tensors = {name: torch.as_tensor(x, device=self.device) for name, x in noise.items()}
        chunks = self.policy.act(*self._inputs(observations, goals), tensors).float().cpu().numpy()
        if chunks.ndim != 3 or len(chunks) != len(observations):
            raise ShapeError(
                "the agent's plan",
                found=chunks.shape,
                expected=f"({len(observations)}, n, A)",
            )
        if not np.isfinite(chunks).all():
            raise CheckpointError("the policy's actions are not finite; train it again")
        return np.clip(chunks, -1.0, 1.0)

    @torch.inference_mode()
    def value(self, observations: np.ndarray, goals: np.ndarray) -> np.ndarray | None:
        """Values (W,), or None where the agent has no value function."""
        values = self.policy.value(*self._inputs(observations, goals))
        return None if values is None else values.double().cpu().numpy()


def play(
    environments: Episodes, player: Player, wave: Sequence[Episode], rules: Rules
) -> list[dict[str, Any]]:
    """Play one wave, at most one episode a slot.

    Returns:
        for each episode its task, episode, success, return, length, discounted_return and
        value_estimate (both NaN where the agent has no value function).
    """
    width = environments.width
    if not 0 < len(wave) <= width:
        raise ShapeError("episodes in a wave", found=len(wave), expected=f"1 to {width}")
    seeds = [env_seed(rules, episode) for episode in wave] + [None] * (width - len(wave))
    tasks = [episode.task_id for episode in wave] + [None] * (width - len(wave))
    observations, goals = environments.reset(seeds, tasks)

    live = np.arange(width) < len(wave)
    playing = live.copy()  # within the episode's limit; others live on for their discounted return
    time = 0
    lengths = np.zeros(width, dtype=np.int64)
    returns, discounted = np.zeros(width), np.zeros(width)
    successes = np.zeros(width, dtype=bool)
    values = player.value(observations, goals)
    # Without a value function there is no scale, and no discount, for its discounted return.
    scale = np.nan if values is None else rules.reward_scale
    horizon = 0 if values is None else rules.value_horizon
    shapes = dict(player.policy.act_noise)
    plan = 0
    while live.any():
        noise = {name: np.zeros((width, *shape), np.float32) for name, shape in shapes.items()}
        for slot in np.flatnonzero(live):
            for name, draw in plan_noise(shapes, rules, wave[slot], plan).items():
                noise[name][slot] = draw
        chunks = player.plan(observations, goals, noise)
        if chunks.shape[1] < rules.execute_length:
            raise ConfigError(
                "more actions to execute than a plan has",
                key="evaluate.execute_length",
                found=rules.execute_length,
                expected=f"at most {chunks.shape[1]}",
            )
        for actions in np.moveaxis(chunks, 1, 0)[: rules.execute_length]:
            step = environments.step(actions, live)
            reward = {
                "environment": step.rewards,
                "goal_negative": step.successes - 1.0,
                "goal_positive": step.successes * 1.0,
            }[rules.reward]
            discounted[live] += (rules.discount**time * reward)[live]
            returns[playing] += step.rewards[playing]
            lengths[playing] += 1
            successes[playing] = step.successes[playing]
            observations = step.observations
            time += 1
            playing &= ~(step.terminated | step.truncated)
            live &= ~step.terminated & (playing | (time < horizon))
            if not live.any():
                break
        plan += 1
    return [
        {
            "task": episode.task,
            "episode": episode.index,
            "success": bool(successes[slot]),
            "return": float(returns[slot]),
            "length": int(lengths[slot]),
            "discounted_return": float(discounted[slot] / scale),
            "value_estimate": float("nan" if values is None else values[slot]),
        }
        for slot, episode in enumerate(wave)
    ]


def waves(episodes: Sequence[Episode], width: int) -> list[list[Episode]]:
    """Episodes in order, cut into waves of ``width`` (the last one may be shorter)."""
    return [list(episodes[i : i + width]) for i in range(0, len(episodes), width)]
