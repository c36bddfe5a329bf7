"""Goals, rewards and names of stored states: where OGBench's objects are in them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from mac.envs import names
from mac.envs.registry import EnvSpec
from mac.envs.seeded import described, family_of
from mac.errors import DataError

OBJECT_START = 14  # first object coordinate in qpos: 6 arm joints and 8 of the gripper come before
CUBE_WIDTH = 7
CUBE_CENTRE = np.array([0.425, 0.0, 0.0])
CUBE_SCALE = 10.0
DRAWER_SCALE = 18.0
WINDOW_SCALE = 15.0
TOLERANCE = 0.04


def oracle_goals(spec: EnvSpec, qpos: np.ndarray, button_states: np.ndarray | None) -> np.ndarray:
    """Oracle goal representation of raw states.

    Args:
        spec: the environment.
        qpos: (rows, nq).
        button_states: (rows, buttons), None where there are none.

    Returns:
        (rows, G) float32: cube positions, button states, drawer, window; xy for mazes.
    """
    family = family_of(spec)
    layout = _layout(spec.env_id)
    parts: list[np.ndarray] = []
    if family == "maze":
        parts.append(qpos[:, :2])
    if layout.cubes:
        cubes = (_cubes(layout, qpos) - CUBE_CENTRE) * CUBE_SCALE
        parts.append(cubes.reshape(len(qpos), -1))
    if layout.buttons:
        parts.append(_buttons(spec, layout, button_states))
    if family == "scene":
        drawer, window = _slides(layout, qpos)
        parts += [(drawer * DRAWER_SCALE)[:, None], (window * WINDOW_SCALE)[:, None]]
    return np.concatenate([part.astype(np.float32) for part in parts], axis=1)


def task_rewards(
    spec: EnvSpec, task: int, qpos: np.ndarray, button_states: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Reward and mask of every state in one task: minus the unmet conditions; 0 at success.

    Args:
        spec: the environment.
        task: 1 to ``spec.tasks``.
        qpos: (rows, nq).
        button_states: (rows, buttons), None where there are none.

    Returns:
        rewards (rows,) and masks (rows,), float32. They belong to the row's own state.
    """
    spec.check_task(task)
    family = family_of(spec)
    layout = _layout(spec.env_id)
    target = layout.targets[task - 1]
    met: list[np.ndarray] = []
    if family == "maze":
        distance = np.linalg.norm(qpos[:, :2].astype(np.float64) - target["xy"], axis=1)
        met.append((distance <= layout.tolerance)[:, None])
    if layout.cubes:
        distance = np.linalg.norm(_cubes(layout, qpos) - target["cubes"], axis=-1)
        met.append(distance <= TOLERANCE)
    if layout.buttons:
        met.append(_buttons(spec, layout, button_states) == target["buttons"])
    if family == "scene":
        for position, wanted in zip(_slides(layout, qpos), target["slides"], strict=True):
            met.append((np.abs(position - wanted) <= TOLERANCE)[:, None])
    conditions = np.concatenate(met, axis=1)
    rewards = conditions.sum(axis=1) - conditions.shape[1]
    masks = 1.0 - conditions.all(axis=1)
    return rewards.astype(np.float32), masks.astype(np.float32)


def observation_names(spec: EnvSpec) -> list[str]:
    """What the numbers of an observation are, in words."""
    if family_of(spec) == "maze":
        return names.body_observation(spec.env_id, spec.observation_dim)
    layout = _layout(spec.env_id)
    return names.arm_observation(layout.cubes, layout.buttons, family_of(spec) == "scene")


def goal_names(spec: EnvSpec) -> list[str]:
    """What the numbers of an oracle goal are, in words."""
    if family_of(spec) == "maze":
        return list(names.POINT)
    layout = _layout(spec.env_id)
    return names.arm_goal(layout.cubes, layout.buttons, family_of(spec) == "scene")


class _Layout:
    """Where an environment's objects are in qpos, and the goal of each task."""

    def __init__(self, env: Any) -> None:
        self.cubes = getattr(env, "_num_cubes", 0)
        self.buttons = getattr(env, "_num_buttons", 0)
        self.drawer = OBJECT_START + CUBE_WIDTH * self.cubes + self.buttons
        self.tolerance = getattr(env, "_goal_tol", TOLERANCE)
        self.targets = [self._target(info) for info in env.task_infos]

    @staticmethod
    def _target(info: dict[str, Any]) -> dict[str, Any]:
        if "goal" in info:
            goal = info["goal"]
            return {
                "cubes": goal["block_xyzs"],
                "buttons": goal["button_states"],
                "slides": (goal["drawer_pos"], goal["window_pos"]),
            }
        return {
            "xy": info.get("goal_xy"),
            "cubes": info.get("goal_xyzs"),
            "buttons": info.get("goal_button_states"),
        }


@cache
def _layout(env_id: str) -> _Layout:
    return _Layout(described(env_id))


def _cubes(layout: _Layout, qpos: np.ndarray) -> np.ndarray:
    """Positions of all cubes, (rows, cubes, 3) float64."""
    stop = OBJECT_START + CUBE_WIDTH * layout.cubes
    cubes = qpos[:, OBJECT_START:stop].reshape(len(qpos), layout.cubes, CUBE_WIDTH)
    return cubes[:, :, :3].astype(np.float64)


def _buttons(spec: EnvSpec, layout: _Layout, button_states: np.ndarray | None) -> np.ndarray:
    found = "none" if button_states is None else button_states.shape[1:]
    if button_states is None or found != (layout.buttons,):
        raise DataError(
            f"environment {spec.name!r}",
            key="button_states",
            found=found,
            expected=(layout.buttons,),
        )
    return button_states


def _slides(layout: _Layout, qpos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of drawer and window, each (rows,) float64."""
    drawer, window = qpos[:, layout.drawer : layout.drawer + 2].astype(np.float64).T
    return drawer, window
