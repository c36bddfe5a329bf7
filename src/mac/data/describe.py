"""What is in a built data set: rewards, successes, coverage, noise, dimensions by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mac.data.statistics import Columns
from mac.data.store import SPLITS, Split, Store
from mac.data.traits import action_traits, cells
from mac.envs.registry import EnvSpec, adapter

BLOCK_ROWS = 1 << 20
LOOK_ROWS = 1 << 20  # rows that coverage and noise are estimated from, in whole episodes


def describe(store: Store) -> dict[str, Any]:
    """All that is told of a data set, as plain values.

    Rewards and successes are counted over all rows. Coverage and the noise of actions are estimated
    from whole episodes, evenly spaced, of about a million rows.
    """
    facts = store.manifest["environment"]
    spec = EnvSpec(**facts, max_episode_steps=1)
    names = adapter(spec)
    splits = {name: store.split(name) for name in SPLITS}
    train, validation = (cells(_goals(split)) for split in splits.values())
    return {
        "dataset": spec.dataset,
        "environment": facts,
        "splits": {
            name: {
                "files": len(split.files),
                "episodes": len(split.starts),
                "transitions": int(split.lengths.sum()),
                "episode_lengths": _spread(split.lengths),
            }
            for name, split in splits.items()
        },
        "tasks": {
            str(task + 1): {
                name: _task(split, split.rewards[task], split.masks[task])
                for name, split in splits.items()
            }
            for task in range(spec.tasks)
        },
        "coverage": {
            "cells": len(train),
            "validation_inside": _share(validation, train),
            "goals": _columns(names.goal_names(spec), _goals(splits["train"])),
        },
        "actions": _actions(splits["train"]),
        "observations": [
            {"name": name, **{key: values[index] for key, values in known.items()}}
            for known in [store.manifest["statistics"]["train"]["observations"]]
            for index, name in enumerate(names.observation_names(spec))
        ],
    }


def _spread(lengths: np.ndarray) -> dict[str, float]:
    return {
        "min": int(lengths.min()),
        "median": float(np.median(lengths)),
        "max": int(lengths.max()),
    }


def _task(split: Split, rewards: np.ndarray, masks: np.ndarray) -> dict[str, Any]:
    """Rewards of one task's states, and how many states and episodes solve it."""
    values: dict[float, int] = {}
    solved = np.zeros(len(split.starts), bool)
    states = 0
    for first in range(0, len(rewards), BLOCK_ROWS):
        block = slice(first, first + BLOCK_ROWS)
        for value, count in zip(*np.unique(rewards[block], return_counts=True), strict=True):
            values[float(value)] = values.get(float(value), 0) + int(count)
        found = first + np.flatnonzero(masks[block] == 0)
        states += len(found)
        solved[np.searchsorted(split.starts, found, side="right") - 1] = True
    total = sum(values.values())
    return {
        "success_rate": float(solved.mean()),
        "solved_states": states / total,
        "mean_reward": sum(value * count for value, count in values.items()) / total,
        "rewards": {f"{value:g}": count / total for value, count in sorted(values.items())},
    }


def _episodes(split: Split) -> Iterator[slice]:
    """Rows of whole episodes, evenly spaced, that are about :data:`LOOK_ROWS` together."""
    step = max(1, round(len(split.observations) / LOOK_ROWS))
    for first, length in zip(split.starts[::step], split.lengths[::step], strict=True):
        yield slice(int(first), int(first + length + 1))


def _goals(split: Split) -> np.ndarray:
    return np.concatenate([split.goals[rows] for rows in _episodes(split)])


def _share(some: set[bytes], among: set[bytes]) -> float:
    return len(some & among) / len(some)


def _columns(names: list[str], array: np.ndarray) -> list[dict[str, Any]]:
    known = Columns.of(array).plain()
    return [
        {"name": name, **{key: values[index] for key, values in known.items()}}
        for index, name in enumerate(names)
    ]


def _actions(split: Split) -> list[dict[str, float]]:
    found = action_traits([split.actions[rows][:-1] for rows in _episodes(split)])
    width = split.actions.shape[1]
    return [{key: float(v[i]) for key, v in found.items()} for i in range(width)]


def text(found: dict[str, Any]) -> str:
    """A description as lines."""
    lines = [f"{found['dataset']} ({found['environment']['env_id']})"]
    for name, split in found["splits"].items():
        length = split["episode_lengths"]
        span = (
            f"{length['min']}"
            if length["min"] == length["max"]
            else "{min} to {max}".format(**length)
        )
        lines.append(
            f"  {name:10} {split['transitions']:,} transitions, {split['episodes']:,} episodes of "
            f"{span} steps, {split['files']} file{'s' * (split['files'] > 1)}"
        )
    lines += ["", "task  success rate  solved states  mean reward  rewards (share of states)"]
    for task, splits in found["tasks"].items():
        one = splits["train"]
        shown = ", ".join(f"{value}: {share:.2%}" for value, share in one["rewards"].items())
        lines.append(
            f"{task:4}  {one['success_rate']:12.1%}  {one['solved_states']:13.2%}  "
            f"{one['mean_reward']:11.3f}  {shown}"
        )
    lines.append("an episode is a success if any of its states solves the task; training split")
    coverage = found["coverage"]
    lines += [
        "",
        f"coverage: {coverage['cells']:,} unit cells of the goal space; "
        f"{coverage['validation_inside']:.1%} of those of the validation split are among them",
        *_table(coverage["goals"], ("min", "max", "mean", "std")),
        "",
        "actions",
        *_table(
            [{"name": f"action {i}", **one} for i, one in enumerate(found["actions"])],
            ("mean", "std", "noise", "persistence", "cut_off"),
        ),
        "",
        "observations",
        *_table(
            [
                {**one, "name": f"{i:3} {one['name']}"}
                for i, one in enumerate(found["observations"])
            ],
            ("min", "max", "mean", "std"),
        ),
    ]
    return "\n".join(lines)


def _table(rows: list[dict[str, Any]], keys: tuple[str, ...]) -> list[str]:
    width = max(len(row["name"]) for row in rows)
    head = "".join(f"{key:>13}" for key in keys)
    body = [
        f"  {row['name']:{width}}" + "".join(f"{row[key]:13.3f}" for key in keys) for row in rows
    ]
    return [f"  {'':{width}}{head}", *body]
