"""OGBench: evaluation and relabelling; it and its collectors alone import ogbench.

Checked with ogbench 1.2.2: a reset draws from the environment's generator and, for the few steps
that settle the goal state, from a fresh unseeded action space, whose draws stay behind in the
solver's warm start; in collection the oracles draw from NumPy's global generator. All three are
seeded here. What an earlier episode did to the compiled model (the scene locks its slides by
damping) leaves no trace after a reset.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from mac.envs import names
from mac.envs.offscreen import Camera
from mac.envs.registry import Collector, EnvSpec, Transition
from mac.errors import ConfigError, DataError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the viewer's library complains where there is no display
    import gymnasium
    import mujoco
    import ogbench  # noqa: F401  (registers the environments)
    from gymnasium.envs.registration import load_env_creator

OBJECT_START = 14  # first object coordinate in qpos: 6 arm joints and 8 of the gripper come before
CUBE_WIDTH = 7
CUBE_CENTRE = np.array([0.425, 0.0, 0.0])
CUBE_SCALE = 10.0
DRAWER_SCALE = 18.0
WINDOW_SCALE = 15.0
TOLERANCE = 0.04


def versions() -> dict[str, str]:
    """Versions of the packages that decide what an episode looks like."""
    return {name: version(name) for name in ("ogbench", "mujoco", "gymnasium")}


def make(spec: EnvSpec, mode: str) -> Simulation:
    """Evaluation environment in ``reward`` (single-task) or ``goal`` mode (oracle goals)."""
    return Simulation(spec, mode)


def collector(spec: EnvSpec) -> Collector:
    """Scripted collector of the type that the data set's name says."""
    from mac.envs.collectors import scripted  # evaluation does without the oracles' imports

    return scripted(spec)


class Simulation:
    """One evaluation environment; an episode is a pure function of (seed, task, actions)."""

    def __init__(self, spec: EnvSpec, mode: str) -> None:
        self._spec, self._mode = spec, mode
        self._env: Any = None
        self._camera: Camera | None = None
        self._task = 0
        self._steps = 0

    def reset(self, seed: int, task: int) -> tuple[np.ndarray, np.ndarray]:
        """Start an episode.

        Args:
            seed: of everything the reset draws.
            task: 1 to ``spec.tasks``.

        Returns:
            observation (O,) and goal (G,), float32; G is 0 in reward mode.
        """
        self._spec.check_task(task)
        if self._env is None or (self._mode == "reward" and task != self._task):
            self.close()
            self._env = self._make(task)
        self._task, self._steps = task, 0
        environment_seed, space_seed, global_seed = seeds(np.random.default_rng(seed))
        self._env.action_space.seed(space_seed)
        options = {} if self._mode == "reward" else {"task_id": task}
        with numpy_seed(global_seed):
            observation, info = self._env.reset(seed=environment_seed, options=options)
        goal = info["goal"] if self._mode == "goal" else ()
        return np.asarray(observation, np.float32), np.asarray(goal, np.float32)

    def step(self, action: np.ndarray) -> Transition:
        """Apply one action (A,), clipped to [-1, 1]."""
        action = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        observation, reward, terminated, _, info = self._env.step(action)
        self._steps += 1
        return Transition(
            observation=np.asarray(observation, np.float32),
            reward=float(reward),
            terminated=bool(terminated),
            truncated=self._steps >= self._spec.max_episode_steps,
            success=bool(info["success"]),
        )

    def picture(self, size: int) -> np.ndarray:
        """The present state; see :class:`mac.envs.registry.Simulation`."""
        env = self._env.unwrapped
        manipulation = family_of(self._spec) != "maze"
        model, data = (env._model, env._data) if manipulation else (env.model, env.data)
        if self._camera is None or self._camera.model is not model:
            self._free_camera()
            self._camera = Camera(model, size)
        return self._camera.shot(data)

    def close(self) -> None:
        """Free the simulator."""
        self._free_camera()
        self._env = None

    def _free_camera(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _make(self, task: int) -> Any:
        bound = task if self._mode == "reward" else 0
        if family_of(self._spec) == "maze":
            return _evaluation_environment(self._spec, self._mode, bound)
        return _ready(self._spec, self._mode, bound).twin()


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
    with _quiet():
        return _Layout(gymnasium.make(env_id, disable_env_checker=True).unwrapped)


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


def family_of(spec: EnvSpec) -> str:
    """Which of ``maze``, ``cube``, ``scene`` and ``puzzle`` an environment is."""
    for family in ("maze", "cube", "scene", "puzzle"):
        if family in spec.env_id:
            return family
    raise ConfigError(
        f"environment {spec.name!r} is of no family this project knows",
        key="env_id",
        found=spec.env_id,
        expected="a maze, cube, scene or puzzle",
    )


class _Repeatable:
    """Mixed into an environment: a reset depends on its seeds only, a step looks around once.

    The original gathers the whole state description three times a step, twice of one and the same
    state.
    """

    _own_action_space: Any = None
    _description: dict[str, Any] | None = None
    _settled = False

    @property
    def action_space(self) -> Any:
        """The action space, made once (the original makes an unseeded one at every access)."""
        if self._own_action_space is None:
            with _quiet():
                self._own_action_space = super().action_space
        return self._own_action_space

    def reset(self, *args: Any, **kwargs: Any) -> Any:
        """Reset; its settling steps and jumps between states look around each time."""
        self._settled = False
        result = super().reset(*args, **kwargs)
        self._settled, self._description = True, None
        return result

    def set_new_target(self, *args: Any, **kwargs: Any) -> Any:
        """Choose the next target of the collection."""
        self._description = None
        return super().set_new_target(*args, **kwargs)

    def post_step(self) -> None:
        """Evaluate the new state."""
        self._description = None
        super().post_step()

    def compute_ob_info(self) -> dict[str, Any]:
        """Description of the present state, gathered once per state outside of resets."""
        if not self._settled:
            return super().compute_ob_info()
        if self._description is None:
            self._description = super().compute_ob_info()
        return dict(self._description)

    def twin(self) -> _Repeatable:
        """Another environment of the same compiled model; what steps change is its own."""
        twin = copy.copy(self)
        twin._model = copy.copy(self._model)
        twin._data = mujoco.MjData(twin._model)
        twin._own_action_space = None
        return twin


@cache
def _ready(spec: EnvSpec, mode: str, task: int) -> Any:
    """A compiled environment, made once a process; never stepped, only copied."""
    return _evaluation_environment(spec, mode, task)


def _evaluation_environment(spec: EnvSpec, mode: str, task: int) -> Any:
    """An environment compiled and reset once; ``task`` counts in reward mode only."""
    if mode == "reward":
        stem, _, suffix = spec.env_id.rpartition("-")
        env = bare_environment(spec, f"{stem}-singletask-task{task}-{suffix}")
    else:
        env = bare_environment(spec, spec.env_id, use_oracle_rep=True)
    timing = env._success_timing
    if spec.success_timing not in ("n/a", timing):
        message = f"ogbench's {spec.env_id} differs in {mode} mode"
        raise spec.wrong(message, "success_timing", spec.success_timing, timing)
    with numpy_seed(0):
        env.reset(seed=0)
    check_width(spec, "observation_dim", spec.observation_dim, env.observation_space.shape[0])
    return env


def bare_environment(spec: EnvSpec, env_id: str, **options: Any) -> Any:
    """The bare environment, without gymnasium's wrappers; the step limit is counted here."""
    try:
        registered = gymnasium.spec(env_id)
    except gymnasium.error.Error as error:
        raise ConfigError(
            f"ogbench {version('ogbench')} has no environment for {spec.name!r} ({error})",
            key="env_id",
            found=env_id,
        ) from None
    with _quiet():
        creator = load_env_creator(registered.entry_point)
    if isinstance(creator, type):
        creator = type(creator.__name__, (_Repeatable, creator), {})
    with _quiet():
        env = creator(**{**registered.kwargs, **options})
    check_width(spec, "max_episode_steps", spec.max_episode_steps, registered.max_episode_steps)
    check_width(spec, "action_dim", spec.action_dim, env.action_space.shape[0])
    return env


def check_width(spec: EnvSpec, key: str, expected: int, found: int) -> None:
    """Raise where ogbench contradicts what the suite's line says under ``key``."""
    if expected != found:
        raise spec.wrong(f"ogbench's {spec.env_id} differs", key, expected, found)


def seeds(stream: np.random.Generator) -> list[int]:
    """Seeds of a reset: of the environment, of its action space, of NumPy's global generator."""
    return [int(seed) for seed in stream.integers(2**31, size=3)]


@contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, on which ogbench's oracles draw, and put it back."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the simulator's warnings about display and float precision."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
