"""Scripted collection in OGBench's environments: who acts, towards what, with which noise.

The numbers are those of the scripts and commands that made the released sets (the benchmark's
``data_gen_scripts``), used with the oracles of ogbench 1.2.2. The end of a data set's name says its
type:

- ``play``: a plan oracle follows a plan made ahead, with smooth noise in it.
- ``noisy``: a Markov oracle looks at the present state alone; white noise on its actions, of a
  level drawn once an episode, and now and then a random action in place of the oracle's.
- ``navigate``, ``stitch``: a point mass goes from cell to cell of its maze, on the shortest way and
  with white noise; to one goal after another, or to a single one four cells away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol

import numpy as np

from mac.envs.episode import released
from mac.envs.registry import Collector, EnvSpec
from mac.envs.relabel import OBJECT_START
from mac.envs.seeded import bare_environment, check_width, family_of, numpy_seed, seeds
from mac.errors import ConfigError

KINDS = {
    "cube": ("cube",),
    "scene": ("cube", "button", "drawer", "window"),
    "puzzle": ("button",),
}
# Range of the probability of stacking a cube, drawn once an episode; 0.5 for any other name.
STACKING = {
    "single": (0.0, 0.0),
    "double": (0.0, 0.25),
    "triple": (0.05, 0.35),
    "quadruple": (0.1, 0.5),
    "octuple": (0.0, 0.35),
}
PLAN_NOISE = 0.1
PLAN_NOISE_SMOOTHING = 0.5
MARKOV_NOISE = 0.1  # most that an episode's level can be
MARKOV_NOISE_RATIOS = np.array([1.0, 1.0, 1.0, 3.0, 10.0])  # position, yaw, gripper
MARKOV_MIN_NORM = 0.4
RANDOM_ACTIONS = {"cube": 0.1, "scene": 0.1, "puzzle": 0.2}  # probability in ``noisy`` sets
MAZE_NOISE = 0.5
STITCH_CELLS = 4  # from start to goal

Act = Callable[[Any, np.ndarray, Mapping[str, Any]], np.ndarray]


def scripted(spec: EnvSpec) -> Collector:
    """The collector of a data set's type; a manipulation set of another name is ``play``."""
    family, kind = family_of(spec), spec.dataset.rpartition("-")[2]
    if family == "maze":
        if not spec.env_id.startswith("pointmaze") or kind not in ("navigate", "stitch"):
            raise ConfigError(
                f"environment {spec.name!r} has no scripted oracle for {spec.dataset!r}",
                expected="pointmaze-…-navigate or pointmaze-…-stitch, or an arm's data set",
                remedy="use data.source: fetch",
            )
        return MazeCollector(spec, stitch=kind == "stitch")
    hand = _Markov(RANDOM_ACTIONS[family]) if kind == "noisy" else _Plan()
    return ManipulationCollector(spec, hand)


class _Hand(Protocol):
    """Oracles, and how their actions are disturbed."""

    def oracles(self, env: Any, family: str) -> dict[str, Any]:
        """The scripted oracle of each kind of target."""

    def begin(self, stream: np.random.Generator) -> Act:
        """How actions come about in the episode that begins."""


class _Plan:
    """The oracles of ``play`` sets, whose plans are noisy themselves."""

    def oracles(self, env: Any, family: str) -> dict[str, Any]:
        from ogbench.manipspace.oracles.plan.button_plan import ButtonPlanOracle
        from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle
        from ogbench.manipspace.oracles.plan.drawer_plan import DrawerPlanOracle
        from ogbench.manipspace.oracles.plan.window_plan import WindowPlanOracle

        classes = (CubePlanOracle, ButtonPlanOracle, DrawerPlanOracle, WindowPlanOracle)
        noise = {"noise": PLAN_NOISE, "noise_smoothing": PLAN_NOISE_SMOOTHING}
        return _made(classes, env, family, noise)

    def begin(self, stream: np.random.Generator) -> Act:
        return lambda oracle, observation, info: oracle.select_action(observation, info)


class _Markov:
    """The oracles of ``noisy`` sets, disturbed from outside."""

    def __init__(self, random_actions: float) -> None:
        self._random_actions = random_actions

    def oracles(self, env: Any, family: str) -> dict[str, Any]:
        from ogbench.manipspace.oracles.markov.button_markov import ButtonMarkovOracle
        from ogbench.manipspace.oracles.markov.cube_markov import CubeMarkovOracle
        from ogbench.manipspace.oracles.markov.drawer_markov import DrawerMarkovOracle
        from ogbench.manipspace.oracles.markov.window_markov import WindowMarkovOracle

        classes = (CubeMarkovOracle, ButtonMarkovOracle, DrawerMarkovOracle, WindowMarkovOracle)
        return _made(classes, env, family, {"min_norm": MARKOV_MIN_NORM})

    def begin(self, stream: np.random.Generator) -> Act:
        scale = stream.uniform(0, MARKOV_NOISE) * MARKOV_NOISE_RATIOS

        def act(oracle: Any, observation: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
            if stream.random() < self._random_actions:
                return stream.uniform(-1, 1, len(scale))
            return oracle.select_action(observation, info) + stream.normal(0, scale)

        return act


def _made(
    classes: tuple[type, ...], env: Any, family: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Oracles of a family's kinds of targets; in a puzzle the gripper is never opened."""
    by_kind = dict(zip(KINDS["scene"], classes, strict=True))
    closed = {"button": {"gripper_always_closed": family == "puzzle"}}
    return {
        kind: by_kind[kind](env=env, **options, **closed.get(kind, {})) for kind in KINDS[family]
    }


class ManipulationCollector:
    """An arm that brings one random target after another about.

    Episodes never end at a goal, a new target is set as soon as an oracle is done, and in the scene
    an episode whose cube left the table is repeated.
    """

    def __init__(self, spec: EnvSpec, hand: _Hand) -> None:
        self._spec, self._hand = spec, hand
        self._env = bare_environment(
            spec, spec.env_id, mode="data_collection", terminate_at_goal=False, visualize_info=False
        )
        family = family_of(spec)
        self._oracles = hand.oracles(self._env, family)
        self._healthy = _cube_in_sight if family == "scene" else _always

    def episode(self, stream: np.random.Generator, length: int) -> dict[str, np.ndarray]:
        """One episode.

        Args:
            stream: everything drawn is a function of it.
            length: transitions T.

        Returns:
            arrays of T + 1 rows with the keys of the released files; the last action is filler.
        """
        while True:
            environment_seed, space_seed, global_seed = seeds(stream)
            stacking = stream.uniform(*_stacking(self._spec))
            act = self._hand.begin(stream)
            self._env.action_space.seed(space_seed)
            with numpy_seed(global_seed):
                arrays = self._play(environment_seed, stacking, act, length)
            if self._healthy(arrays["qpos"]):
                return arrays

    def _play(self, seed: int, stacking: float, act: Act, length: int) -> dict[str, np.ndarray]:
        env = self._env
        observation, info = env.reset(seed=seed)
        check_width(self._spec, "observation_dim", self._spec.observation_dim, len(observation))
        oracle = self._oracles[info["privileged/target_task"]]
        oracle.reset(observation, info)
        rows: dict[str, list[np.ndarray]] = {
            key: [] for key in ("observations", "actions", "qpos", "qvel")
        }
        if "button_states" in info:
            rows["button_states"] = []
        for row in range(length + 1):
            action = np.clip(act(oracle, observation, info), -1, 1)
            rows["observations"].append(observation)
            rows["actions"].append(action)
            for key in ("qpos", "qvel", "button_states"):
                if key in rows:
                    rows[key].append(info[key])
            if row == length:
                break
            observation, _, _, _, info = env.step(action)
            if oracle.done:
                target_observation, target_info = env.set_new_target(p_stack=stacking)
                oracle = self._oracles[target_info["privileged/target_task"]]
                oracle.reset(target_observation, target_info)
        return released(rows)


def _stacking(spec: EnvSpec) -> tuple[float, float]:
    for word, bounds in STACKING.items():
        if word in spec.env_id:
            return bounds
    return (0.5, 0.5)


def _cube_in_sight(qpos: np.ndarray) -> bool:
    """Whether the scene's cube stayed on the table or in the drawer in every row."""
    _, y, z = qpos[:, OBJECT_START : OBJECT_START + 3].T
    beside = (y <= -0.3) & ((z < 0.06) | (z > 0.08))
    return not bool((y >= 0.29).any() or beside.any())


def _always(qpos: np.ndarray) -> bool:
    return True


class MazeCollector:
    """A point mass that heads for the next cell on the shortest way to its goal.

    Starts are any free cell. Goals are cells where ways meet, turn or end, a new one as soon as one
    is reached (``navigate``); or a cell :data:`STITCH_CELLS` from the start, for good (``stitch``).
    Where a teleport takes the mass, the row's observation is from before the jump and its ``qpos``
    from after it, as in the released files; from the exit that is walled in there is no way on.
    """

    def __init__(self, spec: EnvSpec, *, stitch: bool) -> None:
        self._spec, self._stitch = spec, stitch
        env = self._env = bare_environment(spec, spec.env_id, terminate_at_goal=False)
        self._free = [tuple(cell) for cell in np.argwhere(env.maze_map == 0).tolist()]
        self._corners = [cell for cell in self._free if not _corridor(env.maze_map, cell)]

        @cache
        def searched(here: tuple[int, int], goal: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
            """Centre of the next cell, and distances of all cells from the goal's."""
            return env.get_oracle_subgoal(env.ij_to_xy(here), env.ij_to_xy(goal))

        self._searched = searched

    def episode(self, stream: np.random.Generator, length: int) -> dict[str, np.ndarray]:
        """One episode; see :meth:`ManipulationCollector.episode`."""
        environment_seed, space_seed, global_seed = seeds(stream)
        start = _any(stream, self._free)
        task = {"init_ij": start, "goal_ij": _any(stream, self._goals(start))}
        self._env.action_space.seed(space_seed)
        with numpy_seed(global_seed):
            observation, _ = self._env.reset(seed=environment_seed, options={"task_info": task})
            check_width(self._spec, "observation_dim", self._spec.observation_dim, len(observation))
            return self._walk(observation, stream, length)

    def _goals(self, start: tuple[int, int]) -> list[tuple[int, int]]:
        if not self._stitch:
            return self._corners
        _, distances = self._searched(start, start)
        return [cell for cell in self._free if distances[cell] == STITCH_CELLS] or [start]

    def _walk(
        self, observation: np.ndarray, stream: np.random.Generator, length: int
    ) -> dict[str, np.ndarray]:
        env = self._env
        rows: dict[str, list[np.ndarray]] = {
            key: [] for key in ("observations", "actions", "qpos", "qvel")
        }
        for _ in range(length + 1):
            here = env.get_xy()
            ahead, _ = self._searched(env.xy_to_ij(here), env.xy_to_ij(env.cur_goal_xy))
            heading = (ahead - here) / (np.linalg.norm(ahead - here) + 1e-6)
            action = np.clip(heading + stream.normal(0, MAZE_NOISE, 2), -1, 1)
            rows["observations"].append(observation)
            rows["actions"].append(action)
            rows["qpos"].append(env.data.qpos.copy())
            rows["qvel"].append(env.data.qvel.copy())
            observation, _, _, _, info = env.step(action)
            if info["success"] and not self._stitch:
                env.set_goal(_any(stream, self._corners))
        return released(rows)


def _corridor(walls: np.ndarray, cell: tuple[int, int]) -> bool:
    """Whether a cell only leads straight through: open on two opposite sides, walls beside."""
    i, j = cell
    upright = tuple(walls[[i - 1, i + 1], j] == 0)
    across = tuple(walls[i, [j - 1, j + 1]] == 0)
    return (all(upright) and not any(across)) or (all(across) and not any(upright))


def _any(stream: np.random.Generator, cells: list[tuple[int, int]]) -> tuple[int, int]:
    return cells[stream.integers(len(cells))]
