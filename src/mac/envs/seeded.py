"""OGBench's environments, made so that an episode depends on its seeds alone.

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

from mac.envs.registry import EnvSpec
from mac.errors import ConfigError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the viewer's library complains where there is no display
    import gymnasium
    import mujoco
    import ogbench  # noqa: F401  (registers the environments)
    from gymnasium.envs.registration import load_env_creator


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


class Repeatable:
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
            with quiet():
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

    def twin(self) -> Repeatable:
        """Another environment of the same compiled model; what steps change is its own."""
        twin = copy.copy(self)
        twin._model = copy.copy(self._model)
        twin._data = mujoco.MjData(twin._model)
        twin._own_action_space = None
        return twin


@cache
def ready(spec: EnvSpec, mode: str, task: int) -> Any:
    """A compiled environment, made once a process; never stepped, only copied."""
    return evaluation_environment(spec, mode, task)


def evaluation_environment(spec: EnvSpec, mode: str, task: int) -> Any:
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
    with quiet():
        creator = load_env_creator(registered.entry_point)
    if isinstance(creator, type):
        creator = type(creator.__name__, (Repeatable, creator), {})
    with quiet():
        env = creator(**{**registered.kwargs, **options})
    check_width(spec, "max_episode_steps", spec.max_episode_steps, registered.max_episode_steps)
    check_width(spec, "action_dim", spec.action_dim, env.action_space.shape[0])
    return env


def described(env_id: str) -> Any:
    """The environment as it is registered, to read from it what it consists of."""
    with quiet():
        return gymnasium.make(env_id, disable_env_checker=True).unwrapped


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
def quiet() -> Iterator[None]:
    """Silence the simulator's warnings about display and float precision."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
