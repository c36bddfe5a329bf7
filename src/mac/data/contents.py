"""All that a raw file holds: its rows, and what its environment says of their states."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mac.data.raw import compact, episode_index, read_raw
from mac.data.store import INDEX, Split
from mac.envs.registry import EnvSpec, adapter
from mac.errors import DataError


def contents(file: Path, spec: EnvSpec) -> dict[str, np.ndarray]:
    """The arrays of a raw file as a store keeps them, without the index of episodes.

    Raises:
        DataError: it is truncated, lacks an array, or holds one of wrong shape or impossible
            values.
    """
    part = compact(read_raw(file, spec))
    buttons = part.get("button_states")
    rewards, masks = zip(
        *(
            adapter(spec).task_rewards(spec, task, part["qpos"], buttons)
            for task in range(1, spec.tasks + 1)
        ),
        strict=True,
    )
    return {
        **{key: part[key] for key in ("observations", "actions", "terminals", "valids")},
        "goals": _goals(file, spec, part),
        "rewards": np.stack(rewards),
        "masks": np.stack(masks),
    }


def in_memory(file: Path, spec: EnvSpec) -> Split:
    """The episodes of a raw file, without a store; raises as :func:`contents` does."""
    arrays = contents(file, spec)
    index = dict(zip(INDEX, episode_index(arrays["valids"]), strict=True))
    return Split(**arrays, **index)


def _goals(file: Path, spec: EnvSpec, part: Mapping[str, np.ndarray]) -> np.ndarray:
    goals = adapter(spec).oracle_goals(spec, part["qpos"], part.get("button_states"))
    if goals.shape[1] != spec.goal_dim:
        raise DataError(
            "goal width differs from the suite line",
            file=file,
            key="goal_dim",
            found=goals.shape[1],
            expected=spec.goal_dim,
        )
    return goals
