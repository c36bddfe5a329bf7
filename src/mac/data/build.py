"""From released or collected npz files to a memory-mapped store."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mac.data.store import ARRAYS, FORMAT
from mac.envs.registry import EnvSpec, adapter
from mac.errors import DataError, MissingDataError
from mac.io import atomic, fingerprint, sha256_file, write_json
from mac.progress import Progress, progress
from mac.provenance import check

ACTION_MARGIN = 1e-5  # actions are clipped this far inside [-1, 1]
ACTION_TOLERANCE = 1e-6  # rounding allowed beyond [-1, 1] before an action counts as wrong


def build(raw_train: Sequence[Path], raw_val: Sequence[Path], spec: EnvSpec, out_dir: Path) -> str:
    """Build the store of a data set.

    Writes ``<split>_<array>.npy`` for both splits and, last, ``manifest.json``: its existence means
    that the store is complete. The validation statistics, by which states are normalised, are those
    of the first validation file.

    Args:
        raw_train: training files, in order.
        raw_val: validation files, in order.
        spec: the environment.
        out_dir: folder of the store.

    Returns:
        A fingerprint of the raw files' hashes: the same for the same bytes, wherever they are from.

    Raises:
        MissingDataError: a file is not there.
        DataError: a file is truncated, lacks an array, or holds one of wrong shape or impossible
            values.
    """
    check(*raw_train, *raw_val)
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / "manifest.json").unlink(missing_ok=True)
    splits, statistics = {}, {}
    with progress(len(raw_train) + len(raw_val), "files", f"build {spec.dataset}") as bar:
        for split, files in (("train", raw_train), ("validation", raw_val)):
            splits[split], statistics[split] = _split(
                [Path(file) for file in files], spec, out_dir, split, bar
            )
    write_json(
        out_dir / "manifest.json",
        {
            "format": FORMAT,
            "environment": spec.data_facts(),
            "versions": {**adapter(spec).versions(), "numpy": np.__version__},
            "splits": splits,
            "statistics": statistics,
        },
    )
    return fingerprint([file["sha256"] for part in splits.values() for file in part["files"]])


def _split(
    files: list[Path], spec: EnvSpec, out_dir: Path, split: str, bar: Progress
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write one split; returns its part of the manifest and its statistics."""
    if not files:
        raise DataError("no raw files", key=split, expected="at least one")
    rows = [_row_count(file) for file in files]
    total = sum(rows)
    shapes = {
        "observations": (total, spec.observation_dim),
        "actions": (total, spec.action_dim),
        "terminals": (total,),
        "valids": (total,),
        "goals": (total, spec.goal_dim),
        "rewards": (spec.tasks, total),
        "masks": (spec.tasks, total),
    }
    starts, lengths = [], []
    done = 0
    with ExitStack() as parts:
        outputs = {
            key: _array(parts.enter_context(atomic(out_dir / f"{split}_{key}.npy")), shape)
            for key, shape in shapes.items()
        }
        for file, count in zip(files, rows, strict=True):
            part = compact(read_raw(file, spec))
            here = slice(done, done + count)
            for key in ("observations", "actions", "terminals", "valids"):
                outputs[key][here] = part[key]
            buttons = part.get("button_states")
            outputs["goals"][here] = _goals(file, spec, part)
            for task in range(1, spec.tasks + 1):
                rewards, masks = adapter(spec).task_rewards(spec, task, part["qpos"], buttons)
                outputs["rewards"][task - 1, here] = rewards
                outputs["masks"][task - 1, here] = masks
            first, length = episode_index(part["valids"])
            starts.append(first + done)
            lengths.append(length)
            done += count
            bar.update()
        for array in outputs.values():
            array.flush()
    index = {"starts": np.concatenate(starts), "lengths": np.concatenate(lengths)}
    for key, array in index.items():
        with atomic(out_dir / f"{split}_{key}.npy") as path, path.open("wb") as handle:
            np.save(handle, array.astype(np.int64))
    described = rows[0] if split == "validation" else total
    manifest = {
        "files": [{"name": file.name, "sha256": sha256_file(file)} for file in files],
        "rows": total,
        "episodes": len(index["starts"]),
        "transitions": int(index["lengths"].sum()),
        "shapes": {key: list({**outputs, **index}[key].shape) for key in ARRAYS},
    }
    return manifest, {
        key: column_statistics(outputs[key][:described]) for key in ("observations", "goals")
    }


def _array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """New float32 array in a file, memory-mapped.

    Its room is taken at once: where a disk fills up under a map, the kernel ends the process.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _goals(file: Path, spec: EnvSpec, part: dict[str, np.ndarray]) -> np.ndarray:
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


def column_statistics(array: np.ndarray, block: int = 1 << 20) -> dict[str, list[float]]:
    """Minimum, maximum, mean and standard deviation of each column of (rows, D)."""
    blocks = [array[row : row + block] for row in range(0, len(array), block)]
    mean = sum(part.sum(axis=0, dtype=np.float64) for part in blocks) / len(array)
    variance = sum(((part - mean) ** 2).sum(axis=0) for part in blocks) / len(array)
    return {
        "min": np.min([part.min(axis=0) for part in blocks], axis=0).tolist(),
        "max": np.max([part.max(axis=0) for part in blocks], axis=0).tolist(),
        "mean": mean.tolist(),
        "std": np.sqrt(variance).tolist(),
    }


def _row_count(file: Path) -> int:
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
        raise DataError(
            f"truncated or damaged ({error})",
            file=file,
            key=key,
            remedy=f"delete the folder {file.parent} and run it again: its files are made anew",
        ) from None


@contextmanager
def _archive(file: Path) -> Iterator[zipfile.ZipFile]:
    if not file.exists():
        raise MissingDataError("no such file", file=file, remedy="fetch or collect it first")
    with _damage(file):
        archive = zipfile.ZipFile(file)
    with archive:
        yield archive
