"""OGBench as a simulator: evaluation; how states are relabelled and data collected is beside it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

from mac.envs.offscreen import Camera
from mac.envs.registry import Collector, EnvSpec, Transition
from mac.envs.relabel import goal_names, observation_names, oracle_goals, task_rewards
from mac.envs.seeded import evaluation_environment, family_of, numpy_seed, ready, seeds

__all__ = ["collector", "goal_names", "make", "observation_names", "oracle_goals", "task_rewards"]
__all__ += ["Simulation", "versions"]


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
            return evaluation_environment(self._spec, self._mode, bound)
        return ready(self._spec, self._mode, bound).twin()
