"""The released files: npz archives of episodes in a row, checked when read (data.md 1)."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mac.envs.registry import EnvSpec
from mac.errors import DataError, MissingDataError
from mac.provenance import RECORD

ACTION_MARGIN = 1e-5  # actions are clipped this far inside [-1, 1]
ACTION_TOLERANCE = 1e-6  # rounding allowed beyond [-1, 1] before an action counts as wrong


def compact(raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Compact form of a raw file: all rows stay; last transition and final state are terminal.

    Args:
        raw: arrays of a released file; ``terminals`` (rows,) is 1 on the last row of each episode.

    Returns:
        the same arrays with clipped actions, ``terminals`` 1 on the last two rows of an episode,
        and ``valids`` (rows,), 0 on its last row.
    """
    ends = raw["terminals"].astype(np.float32)
    limit = np.float32(1 - ACTION_MARGIN)
    return {
        **raw,
        "actions": np.clip(raw["actions"].astype(np.float32), -limit, limit),
        "terminals": np.maximum(ends, np.append(ends[1:], np.float32(1))),
        "valids": 1 - ends,
    }


def episode_index(valids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First rows and transitions, (episodes,) each, from the flags (rows,) of the compact form."""
    last = np.flatnonzero(valids == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    return first, last - first


def raw_files(places: Sequence[str | Path], dataset: str) -> list[Path]:
    """The files of a data set in these places, each a folder or a file of any name.

    Raises:
        MissingDataError: there is none in one of them.
    """
    found: list[Path] = []
    for place in (Path(place).expanduser() for place in places):
        pattern = f"{dataset}-v0*.npz"
        here = sorted(place.glob(pattern)) if place.is_dir() else [place]
        if not here or not here[0].exists():
            raise MissingDataError(
                "no raw files of this data set",
                file=place,
                expected=f"a folder with {pattern}, or a file of this format",
            )
        found += here
    return found


def row_count(file: Path) -> int:
    """Rows of a raw file, from its header alone."""
    with _archive(file) as archive, _damage(file, "observations"):
        if "observations.npy" not in archive.namelist():
            raise DataError("array is missing", file=file, key="observations")
        with archive.open("observations.npy") as handle:
            major, _ = np.lib.format.read_magic(handle)
            read = (
                np.lib.format.read_array_header_1_0
                if major == 1
                else np.lib.format.read_array_header_2_0
            )
            shape = read(handle)[0]
    return shape[0] if shape else 0


def read_raw(file: Path, spec: EnvSpec) -> dict[str, np.ndarray]:
    """Arrays of a raw file, checked against ``spec``.

    Returns:
        ``observations`` (rows, O), ``actions`` (rows, A), ``terminals`` (rows,), ``qpos`` (rows,
        nq) and, where the file has them, ``button_states`` (rows, buttons).
    """
    with _archive(file) as archive:
        names = archive.namelist()
        arrays = {}
        for key in ("observations", "actions", "terminals", "qpos", "button_states"):
            if f"{key}.npy" in names:
                with _damage(file, key), archive.open(f"{key}.npy") as handle:
                    arrays[key] = np.lib.format.read_array(handle, allow_pickle=False)
            elif key != "button_states":
                raise DataError(
                    "array is missing",
                    file=file,
                    key=key,
                    found=", ".join(sorted(name.removesuffix(".npy") for name in names)),
                )
    _check(file, spec, arrays)
    return arrays


def _check(file: Path, spec: EnvSpec, arrays: dict[str, np.ndarray]) -> None:
    """Raise unless the arrays of a raw file are what the format and ``spec`` promise."""
    rows = len(arrays["observations"])
    widths = {"observations": spec.observation_dim, "actions": spec.action_dim}
    for key, array in arrays.items():
        expected: tuple[Any, ...] = (
            (rows,) if key == "terminals" else (rows, widths.get(key, "any"))
        )
        fits = array.ndim == len(expected) and all(
            wanted in ("any", size) for size, wanted in zip(array.shape, expected, strict=True)
        )
        if not fits:
            line = f"environments.{spec.name} in {spec.file}" if spec.file else spec.name
            raise DataError(
                "wrong shape",
                file=file,
                key=key,
                found=array.shape,
                expected=expected,
                remedy=f"correct {line} if the file is right" if key in widths else None,
            )
        if array.dtype.kind not in "fiub":
            raise DataError("wrong type", file=file, key=key, found=array.dtype, expected="numbers")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise DataError(
                "not finite",
                file=file,
                key=key,
                found=f"{array[row].tolist()} in row {row}",
                expected="finite numbers",
            )
    largest = float(np.abs(arrays["actions"]).max(initial=0.0))
    if largest > 1 + ACTION_TOLERANCE:
        raise DataError(
            "action out of range", file=file, key="actions", found=largest, expected="-1 to 1"
        )
    terminals = arrays["terminals"]
    if not np.isin(terminals, (0, 1)).all():
        raise DataError("not a flag", file=file, key="terminals", expected="0 or 1 in every row")
    if rows == 0 or terminals[-1] != 1:
        raise DataError(
            "the last row must end an episode", file=file, key="terminals", expected="1"
        )
    shortest = int(np.diff(np.flatnonzero(terminals), prepend=-1).min())
    if shortest < 2:
        raise DataError(
            "episode without a transition", file=file, key="terminals", found=f"{shortest} row"
        )


@contextmanager
def _damage(file: Path, key: str | None = None) -> Iterator[None]:
    """Turn what a truncated or damaged archive raises into one line."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
        remedy = "replace it"
        if (file.parent / RECORD).is_file():  # a job's folder, and not one of the user's
            remedy = f"delete the folder {file.parent} and run it again: its files are made anew"
        message = f"truncated or damaged ({error})"
        raise DataError(message, file=file, key=key, remedy=remedy) from None


@contextmanager
def _archive(file: Path) -> Iterator[zipfile.ZipFile]:
    if not file.exists():
        raise MissingDataError("no such file", file=file, remedy="fetch or collect it first")
    with _damage(file):
        archive = zipfile.ZipFile(file)
    with archive:
        yield archive
