"""From released or collected npz files to a memory-mapped store, a file at a time."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from mac.data.contents import contents
from mac.data.normalize import Normalizer
from mac.data.precision import STORED, narrowed, widened
from mac.data.raw import episode_index, row_count
from mac.data.statistics import Columns
from mac.data.store import ARRAYS, FORMAT, INDEX, SPLITS
from mac.envs.registry import EnvSpec, adapter
from mac.errors import DataError
from mac.io import atomic_write_bytes, fingerprint, read_json, sha256_file, write_json
from mac.progress import progress
from mac.provenance import check
from mac.seals import sealed, unsealed

PARTIAL = ".building"  # folder of an unfinished store, in the store's own
DESCRIBED = ("observations", "goals")  # arrays whose statistics the normaliser may use
TASKWISE = ("rewards", "masks")  # (tasks, rows); all others begin with the rows


def build(
    raw_train: Sequence[Path],
    raw_val: Sequence[Path],
    spec: EnvSpec,
    out_dir: Path,
    precision: str = "float32",
) -> str:
    """Build the store of a data set.

    Writes ``<split>_<array>.npy`` for both splits and, last, ``manifest.json``: its existence means
    that the store is complete. The validation statistics, by which states are normalised, are those
    of the first validation file. One raw file is in memory at a time; an interrupted call goes on
    after the last file that it finished.

    Args:
        raw_train: training files, in order.
        raw_val: validation files, in order.
        spec: the environment.
        out_dir: folder of the store.
        precision: of the observations in it; what another than float32 saves and rounds is in the
            manifest under ``precision``. Statistics are of the files' own numbers.

    Returns:
        A fingerprint of the raw files' hashes: the same for the same bytes, wherever they are from.

    Raises:
        MissingDataError: a file is not there.
        DataError: a file is truncated, lacks an array, or holds one of wrong shape or impossible
            values.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / "manifest.json").unlink(missing_ok=True)
    files = {
        split: [Path(file) for file in some]
        for split, some in zip(SPLITS, (raw_train, raw_val), strict=True)
    }
    for split, some in files.items():
        if not some:
            raise DataError("no raw files", key=split, expected="at least one")
    rows = {split: [row_count(file) for file in some] for split, some in files.items()}
    partial = _Partial(out_dir / PARTIAL, spec, files, precision)
    todo = [(split, index) for split, some in files.items() for index in range(len(some))]
    partial.check([files[split][index] for split, index in todo])
    done = len(partial.files)
    with progress(len(todo), "files", f"build {spec.dataset}", done) as bar:
        for split, index in todo[done:]:
            count = rows[split]
            partial.add(split, files[split][index], sum(count[:index]), sum(count))
            bar.update()
    if not partial.manifest.exists():
        manifest = {
            "format": FORMAT,
            "environment": spec.data_facts(),
            "versions": partial.versions,
            "splits": {split: partial.described(split) for split in SPLITS},
            "statistics": {split: partial.statistics(split) for split in SPLITS},
        }
        if precision != "float32":
            manifest["precision"] = partial.rounding(manifest["statistics"])
        write_json(partial.manifest, manifest)
    # From here on an interrupted call only goes on with moving.
    for path in sorted(partial.folder.glob("*.npy")):
        path.replace(out_dir / path.name)
    atomic_write_bytes(out_dir / "manifest.json", partial.manifest.read_bytes())
    shutil.rmtree(partial.folder)
    return fingerprint([known["sha256"] for known in partial.files])


class _Partial:
    """A store in the making: arrays of both splits, and which raw files are in them.

    Attributes:
        folder: where it lies; what another version or other files left there is cleared.
        versions: of the packages that decide what it holds.
        files: what is known of each raw file that is in, in order.
        manifest: the store's, once its arrays are complete.
    """

    def __init__(
        self, folder: Path, spec: EnvSpec, files: Mapping[str, Sequence[Path]], precision: str
    ) -> None:
        self.folder, self.spec, self.precision = folder, spec, precision
        self.manifest = folder / "manifest.json"
        self.versions = {**adapter(spec).versions(), "numpy": np.__version__}
        raw = {split: [str(file) for file in some] for split, some in files.items()}
        self._identity = {
            **{"environment": spec.data_facts(), "versions": self.versions},
            **{"raw": raw, "precision": precision},
        }
        self.files: list[dict[str, Any]] = []
        with suppress(DataError):  # absent, or torn by a crash
            state = unsealed(read_json(self._progress), self._progress)
            if state["identity"] == json.loads(json.dumps(self._identity)):
                self.files = state["files"]
        if not self.files or not self._whole():
            self._begin()

    @property
    def _progress(self) -> Path:
        return self.folder / "progress.json"

    def _whole(self) -> bool:
        """Whether all arrays that files were put into are here, or are on their way into place."""
        splits = {known["split"] for known in self.files}
        needed = (f"{s}_{key}.npy" for s in splits for key in ARRAYS if key not in INDEX)
        return self.manifest.exists() or all((self.folder / name).exists() for name in needed)

    def _begin(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.files = []

    def check(self, files: Sequence[Path]) -> None:
        """Begin anew where a file that is in has other bytes by now."""
        changed = any(
            sha256_file(file) != known["sha256"]
            for file, known in zip(files, self.files, strict=False)
        )
        if changed:
            self._begin()

    def add(self, split: str, file: Path, first: int, total: int) -> None:
        """Put the rows of a raw file into the arrays of a split, of ``total`` rows, from ``first``.

        Once this returns they are on the disk whatever happens to the process.
        """
        hashes: dict[Path, str] = {}

        def digest(path: Path) -> str:
            return hashes.setdefault(path, sha256_file(path))

        check(file, digest=digest)
        sha256 = digest(file)
        columns, rounding = {}, []
        for key, array in contents(file, self.spec).items():
            shape = (*array.shape[:-1], total) if key in TASKWISE else (total, *array.shape[1:])
            output = self._array(split, key, shape)
            rows = slice(first, first + array.shape[-1 if key in TASKWISE else 0])
            stored = narrowed(array, self._precision(key))
            output[(..., rows) if key in TASKWISE else rows] = stored
            output.flush()
            if key == "observations":
                rounding = np.abs(widened(stored) - array).max(axis=0).tolist()
            if key in DESCRIBED:
                columns[key] = Columns.of(array).state()
        known = {"split": split, "name": file.name, "sha256": sha256, "rows": rows.stop - first}
        self.files.append({**known, "columns": columns, "rounding": rounding})
        write_json(self._progress, sealed({"identity": self._identity, "files": self.files}))

    def _array(self, split: str, key: str, shape: tuple[int, ...]) -> np.ndarray:
        """Memory-mapped array of a split, made with the first file.

        Its room is taken at once: where a disk fills up under a map, the kernel ends the process.
        """
        path = self.folder / f"{split}_{key}.npy"
        if any(known["split"] == split for known in self.files):
            return np.lib.format.open_memmap(path, mode="r+")
        dtype = STORED[self._precision(key)]
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return array

    def _precision(self, key: str) -> str:
        return self.precision if key == "observations" else "float32"

    def rounding(self, statistics: Mapping[str, Any]) -> dict[str, Any]:
        """What the precision of the observations saves, and how far it moved any of them.

        One number a column: ``largest`` as the files count, ``largest_normalised`` after the
        transform by the validation statistics, as networks see it. A column that hardly moves is
        scaled up by as much as 1000, and its rounding with it.
        """
        largest = np.max([known["rounding"] for known in self.files], axis=0)
        scale = Normalizer.from_statistics(statistics, "validation").observation_scale
        stored = 2 * self.spec.observation_dim * sum(known["rows"] for known in self.files)
        return {
            "observations": self.precision,
            "bytes": stored,
            "bytes_in_float32": 2 * stored,
            "largest": largest.tolist(),
            "largest_normalised": (largest / scale).tolist(),
        }

    def described(self, split: str) -> dict[str, Any]:
        """A split's part of the manifest; writes its episode index."""
        paths = {key: self.folder / f"{split}_{key}.npy" for key in ARRAYS}
        shapes = {
            key: list(np.load(path, mmap_mode="r").shape)
            for key, path in paths.items()
            if key not in INDEX
        }
        index = dict(
            zip(INDEX, episode_index(np.load(paths["valids"], mmap_mode="r")), strict=True)
        )
        for key, array in index.items():
            np.save(paths[key], array.astype(np.int64))
        own = [known for known in self.files if known["split"] == split]
        kept = ("name", "sha256", "rows")
        return {
            "files": [{key: known[key] for key in kept} for known in own],
            "rows": sum(known["rows"] for known in own),
            "episodes": len(index["starts"]),
            "transitions": int(index["lengths"].sum()),
            "shapes": shapes | {key: list(array.shape) for key, array in index.items()},
        }

    def statistics(self, split: str) -> dict[str, Any]:
        """Of the whole split; of validation, its first file alone."""
        own = [known["columns"] for known in self.files if known["split"] == split]
        own = own[:1] if split == "validation" else own
        return {
            key: reduce(add, (Columns.restored(columns[key]) for columns in own)).plain()
            for key in DESCRIBED
        }
