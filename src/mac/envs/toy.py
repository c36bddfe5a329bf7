"""A point mass on a table: stands in for a robot in fast tests and the smoke experiment.

The state is (x, y, vx, vy); an action pushes for one step; friction keeps the speed low. Both modes
have five tasks: move from a start to a target and be within 0.15 of it. Like the real environments
it has reward tasks (reward -1 until the target is reached, success judged before the action),
oracle goals (the position; success judged after the action) and a scripted collector that heads for
one random place after another.
"""

from __future__ import annotations

import numpy as np

from mac.envs.episode import released
from mac.envs.registry import EnvSpec, Transition
from mac.errors import ConfigError

REVISION = 1
STARTS = np.array([[-0.8, 0.0], [0.0, -0.8], [0.8, 0.0], [0.0, 0.8], [-0.6, -0.6]])
TARGETS = np.array([[0.6, 0.0], [0.0, 0.6], [-0.6, 0.0], [0.0, -0.6], [0.6, 0.6]])
TOLERANCE = 0.15
PUSH = 0.02
FRICTION = 0.8
START_NOISE = 0.05
ACTION_NOISE = 0.3
PATIENCE = 40  # steps after which the collector gives a place up


def versions() -> dict[str, str]:
    """Version of the dynamics."""
    return {"toy": str(REVISION)}


def make(spec: EnvSpec, mode: str) -> Simulation:
    """Evaluation environment in ``reward`` or ``goal`` mode."""
    return Simulation(spec, mode)


def collector(spec: EnvSpec) -> PlaceCollector:
    """Scripted collector."""
    _check(spec)
    return PlaceCollector()


def oracle_goals(spec: EnvSpec, qpos: np.ndarray, button_states: np.ndarray | None) -> np.ndarray:
    """Positions (rows, 2) float32 of states whose ``qpos`` is (rows, 2)."""
    return qpos.astype(np.float32)


def task_rewards(
    spec: EnvSpec, task: int, qpos: np.ndarray, button_states: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rewards (rows,), 0 at the target and -1 elsewhere, and masks (rows,), 0 at the target."""
    spec.check_task(task)
    there = np.linalg.norm(qpos - TARGETS[task - 1], axis=1) <= TOLERANCE
    return there.astype(np.float32) - 1, 1 - there.astype(np.float32)


def observation_names(spec: EnvSpec) -> list[str]:
    """Names of the four numbers of a state."""
    return ["x", "y", "x speed", "y speed"]


def goal_names(spec: EnvSpec) -> list[str]:
    """Names of the two numbers of a place."""
    return ["x", "y"]


def advance(position: np.ndarray, speed: np.ndarray, action: np.ndarray) -> None:
    """Move a point in place: position, speed and action (2,) each; walls stop it at ±1."""
    speed *= FRICTION
    speed += PUSH * action
    position += speed
    wall = np.abs(position) > 1
    speed[wall] = 0
    np.clip(position, -1, 1, out=position)


class Simulation:
    """One evaluation environment. An episode is a pure function of (seed, task, actions)."""

    def __init__(self, spec: EnvSpec, mode: str) -> None:
        _check(spec)
        self._spec, self._mode = spec, mode
        self._position, self._speed = np.zeros(2), np.zeros(2)
        self._target = np.zeros(2)
        self._steps = 0

    def reset(self, seed: int, task: int) -> tuple[np.ndarray, np.ndarray]:
        """Start near the task's start; returns observation (4,) and goal (2,) or (0,)."""
        self._spec.check_task(task)
        noise = np.random.default_rng(seed).uniform(-START_NOISE, START_NOISE, 2)
        self._position = STARTS[task - 1] + noise
        self._speed = np.zeros(2)
        self._target = TARGETS[task - 1]
        self._steps = 0
        goal = self._target if self._mode == "goal" else ()
        return self._observation(), np.asarray(goal, np.float32)

    def step(self, action: np.ndarray) -> Transition:
        """Apply one action (2,)."""
        before = self._reached()
        advance(self._position, self._speed, np.clip(np.asarray(action, np.float64), -1, 1))
        self._steps += 1
        success = before if self._mode == "reward" else self._reached()
        reward = success - 1.0 if self._mode == "reward" else float(success)
        return Transition(
            observation=self._observation(),
            reward=reward,
            terminated=success,
            truncated=self._steps >= self._spec.max_episode_steps,
            success=success,
        )

    def picture(self, size: int) -> np.ndarray:
        """The table from above: the target a green disc, the mass a dark one."""
        across = np.linspace(-1, 1, size)
        places = np.stack(np.meshgrid(across, -across), axis=-1)
        picture = np.full((size, size, 3), 245, np.uint8)
        for place, radius, colour in (
            (self._target, TOLERANCE, (120, 190, 130)),
            (self._position, TOLERANCE / 2, (40, 60, 90)),
        ):
            picture[np.linalg.norm(places - place, axis=-1) <= radius] = colour
        return picture

    def close(self) -> None:
        """Nothing to free."""

    def _observation(self) -> np.ndarray:
        return np.concatenate([self._position, self._speed]).astype(np.float32)

    def _reached(self) -> bool:
        return bool(np.linalg.norm(self._position - self._target) <= TOLERANCE)


class PlaceCollector:
    """Heads for one random place after another, with noisy pushes."""

    def episode(self, stream: np.random.Generator, length: int) -> dict[str, np.ndarray]:
        """One episode: arrays of ``length`` + 1 rows with the released files' keys."""
        position, speed = stream.uniform(-1, 1, 2), np.zeros(2)
        place, since = stream.uniform(-0.9, 0.9, 2), 0
        rows: dict[str, list[np.ndarray]] = {
            key: [] for key in ("observations", "actions", "qpos", "qvel")
        }
        for _ in range(length + 1):
            if since >= PATIENCE or np.linalg.norm(position - place) < TOLERANCE / 2:
                place, since = stream.uniform(-0.9, 0.9, 2), 0
            push = 3 * (place - position) - 10 * speed + stream.normal(0, ACTION_NOISE, 2)
            action = np.clip(push, -1, 1)
            rows["observations"].append(np.concatenate([position, speed]))
            rows["actions"].append(action)
            rows["qpos"].append(position.copy())
            rows["qvel"].append(speed.copy())
            advance(position, speed, action)
            since += 1
        return released(rows)


def _check(spec: EnvSpec) -> None:
    widths = (spec.observation_dim, spec.action_dim, spec.goal_dim)
    if widths != (4, 2, 2):
        raise ConfigError(
            f"environment {spec.name!r} is a point mass",
            key="observation_dim, action_dim, goal_dim",
            found=widths,
            expected=(4, 2, 2),
        )
    if spec.tasks > len(TARGETS):
        raise ConfigError(
            f"environment {spec.name!r} is a point mass",
            key="tasks",
            found=spec.tasks,
            expected=f"at most {len(TARGETS)}",
        )
