"""What episodes are like, in numbers by which data sets are described and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mac.data.contents import in_memory
from mac.data.store import Split
from mac.envs.registry import EnvSpec, adapter
from mac.progress import progress

LIMIT = 1 - 1e-4  # an action beyond it was cut off
DECIMALS = 5  # what a trait has beyond them is the rounding of float32, another on other machines


def traits(files: Sequence[Path], spec: EnvSpec) -> tuple[list[str], np.ndarray]:
    """Traits of every episode of raw files, of which one at a time is in memory.

    Of each coordinate of the observations: its first value, mean, standard deviation, and the size
    of its changes from row to row (root mean square). Of each action dimension what
    :func:`action_traits` tells. Of each task the mean reward of the states, the share of states
    that solve it, and whether any does. Of the episode its transitions, and the unit cells that it
    visits.

    Args:
        files: raw files.
        spec: their environment.

    Returns:
        Names (traits,) and values (episodes, traits), float64, rounded to :data:`DECIMALS`.
    """
    names: list[str] = []
    values = []
    with progress(len(files), "files", f"read {spec.dataset}") as bar:
        for file in files:
            rows = list(_episodes(in_memory(file, spec), spec))
            names = list(rows[0])
            values.append(np.round([list(row.values()) for row in rows], DECIMALS))
            bar.update()
    return names, np.concatenate(values)


def _episodes(split: Split, spec: EnvSpec) -> Iterator[dict[str, float]]:
    """The traits of one episode after the other."""
    coordinates = adapter(spec).observation_names(spec)
    dimensions = [f"action {index}" for index in range(spec.action_dim)]
    tasks = [f"task {task}" for task in range(1, spec.tasks + 1)]
    for first, length in zip(split.starts, split.lengths, strict=True):
        rows = slice(first, first + length + 1)
        states = split.observations[rows].astype(np.float64)
        solved = split.masks[:, rows] == 0
        yield {
            "transitions": float(length),
            "cells visited": float(len(cells(split.goals[rows]))),
            **_named(
                coordinates,
                {
                    "first": states[0],
                    "mean": states.mean(axis=0),
                    "std": states.std(axis=0),
                    "change": np.sqrt((np.diff(states, axis=0) ** 2).mean(axis=0)),
                },
            ),
            **_named(dimensions, action_traits([split.actions[rows][:-1]])),
            **_named(
                tasks,
                {
                    "reward": split.rewards[:, rows].mean(axis=1),
                    "solved states": solved.mean(axis=1),
                    "success": solved.any(axis=1),
                },
            ),
        }


def _named(subjects: Sequence[str], found: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {
        f"{subject}: {key}": float(value)
        for key, values in found.items()
        for subject, value in zip(subjects, values, strict=True)
    }


def action_traits(episodes: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Of each dimension: mean, spread, white noise, persistence, share that was cut off.

    White noise of standard deviation s gives second differences of √6 s, and smooth motion hardly
    any, so the median of their sizes tells s. It is the noise that would explain the changes from
    step to step: what is cut off at ±1 makes it less, what is not smooth makes it more.

    Args:
        episodes: actions (T, A) of each.

    Returns:
        (A,) float64 by trait.
    """
    episodes = [one.astype(np.float64) for one in episodes]
    whole = np.concatenate(episodes)
    second = np.concatenate([np.abs(np.diff(one, n=2, axis=0)) for one in episodes])
    centre = whole.mean(axis=0)
    before = np.concatenate([one[:-1] - centre for one in episodes])
    after = np.concatenate([one[1:] - centre for one in episodes])
    scatter = np.maximum((before**2).sum(axis=0), 1e-12)
    noise = np.median(second, axis=0) / 0.6745 / np.sqrt(6) if len(second) else 0 * centre
    return {
        "mean": centre,
        "std": whole.std(axis=0),
        "noise": noise,
        "persistence": (before * after).sum(axis=0) / scatter,
        "cut_off": (np.abs(whole) > LIMIT).mean(axis=0),
    }


def cells(goals: np.ndarray) -> set[bytes]:
    """Unit cells of the goal representation: a button's state, a decimetre of a cube's place."""
    return {row.tobytes() for row in np.unique(np.rint(goals).astype(np.int16), axis=0)}
