"""Read-only access to a built data set: memory-mapped arrays, episode index, statistics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mac.data.normalize import Normalizer
from mac.data.place import HOST, Place
from mac.data.scattered import Scattered, too_large
from mac.errors import DataError, MissingDataError
from mac.io import read_json
from mac.provenance import check

FORMAT = 1
SPLITS = ("train", "validation")
INDEX = ("starts", "lengths")
ARRAYS = ("observations", "actions", "terminals", "valids", "goals", "rewards", "masks", *INDEX)


@dataclass(frozen=True)
class Split:
    """Episodes one after the other, T transitions in T + 1 rows, the last the final state.

    Attributes:
        observations: (rows, O) float32, not normalised; in another ``data.precision`` as
            :mod:`mac.data.precision` stores it.
        actions: (rows, A) float32 in (-1, 1); filler in the final-state rows.
        terminals: (rows,) float32, 1 in rows T - 1 and T of an episode.
        valids: (rows,) float32, 0 in final-state rows; the next state of a valid row is the next
            row.
        goals: (rows, G) float32, oracle goal representation.
        rewards: (tasks, rows) float32, of the row's own state.
        masks: (tasks, rows) float32, 0 where the row's own state solves the task.
        starts: (episodes,) int64, first rows.
        lengths: (episodes,) int64, T.
        files: (files,) number of episodes of each raw file that the split was built from.
        place: where all but the last three are.
    """

    observations: np.ndarray
    actions: np.ndarray
    terminals: np.ndarray
    valids: np.ndarray
    goals: np.ndarray
    rewards: np.ndarray
    masks: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    files: tuple[int, ...] = ()
    place: Place = HOST

    def shards(self) -> list[Split]:
        """The split's raw files, a split each: the same arrays, fewer episodes."""
        if sum(self.files) != len(self.starts):
            raise DataError(
                "this store does not tell its raw files apart",
                key="data.shard_schedule",
                remedy="delete its folder, and it is built anew",
            )
        ends = np.cumsum(self.files)
        return [
            replace(
                self,
                starts=self.starts[end - count : end],
                lengths=self.lengths[end - count : end],
                files=(count,),
            )
            for count, end in zip(self.files, ends.tolist(), strict=True)
        ]


class Store:
    """A built data set in a folder; see :func:`mac.data.build.build` for how it comes about."""

    def __init__(self, directory: Path, manifest: dict[str, Any]) -> None:
        self.directory, self.manifest = directory, manifest

    @classmethod
    def open(cls, directory: str | Path) -> Store:
        """Open the store in ``directory``; raises :class:`DataError` if it is not complete."""
        directory = Path(directory)
        path = directory / "manifest.json"
        if not path.exists():
            raise MissingDataError(
                "no built data set here", file=directory, remedy="run `mac data build`"
            )
        check(path)
        manifest = read_json(path)
        if manifest.get("format") != FORMAT:
            raise DataError(
                "store of another format",
                file=path,
                key="format",
                found=manifest.get("format"),
                expected=FORMAT,
                remedy="delete the folder and run `mac data build`",
            )
        return cls(directory, manifest)

    def split(self, name: str) -> Split:
        """The ``train`` or ``validation`` split, memory-mapped, its bytes checked.

        That takes seconds a GB the first time and none later; see :mod:`mac.verified`. Arrays of a
        split that memory cannot hold are :class:`mac.data.scattered.Scattered`.
        """
        if name not in SPLITS:
            raise DataError("unknown split", found=name, expected=" or ".join(SPLITS))
        paths = {key: self.directory / f"{name}_{key}.npy" for key in ARRAYS}
        check(*paths.values())
        arrays = {}
        scattered = too_large(sum(path.stat().st_size for path in paths.values() if path.exists()))
        for key, path in paths.items():
            shape = tuple(self.manifest["splits"][name]["shapes"][key])
            try:
                mapped = np.load(path, mmap_mode="r")
            except FileNotFoundError:
                raise DataError("file of the store is missing", file=path) from None
            except (ValueError, EOFError) as error:
                raise DataError(f"damaged file ({error})", file=path) from None
            if mapped.shape != shape:
                raise DataError(
                    "array differs from the manifest",
                    file=path,
                    found=mapped.shape,
                    expected=shape,
                )
            rows = scattered and key not in INDEX  # the index is read whole
            arrays[key] = Scattered.of(mapped) if rows else mapped.view(np.ndarray)
        rows = [file.get("rows", 0) for file in self.manifest["splits"][name]["files"]]
        before = np.searchsorted(arrays["starts"], np.cumsum(rows))
        return Split(**arrays, files=tuple(np.diff(before, prepend=0).tolist()))

    def normalizer(self, split: str) -> Normalizer:
        """Transform by the statistics of ``validation`` [F] or ``train`` [C], or ``none``."""
        return Normalizer.from_statistics(self.manifest["statistics"], split)
