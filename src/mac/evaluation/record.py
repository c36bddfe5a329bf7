"""Rows that evaluation writes: one per episode, or one per horizon of the model-error study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mac.errors import DataError
from mac.io import atomic

EPISODES = pa.schema(
    [
        ("task", pa.string()),
        ("agent", pa.string()),
        ("seed", pa.int64()),
        ("step", pa.int64()),  # gradient steps of the checkpoint
        ("episode", pa.int64()),
        ("success", pa.bool_()),  # at the last step
        ("return", pa.float64()),  # undiscounted sum of the environment's rewards
        ("length", pa.int64()),  # environment steps
        # NaN without a value function: the return on its scale, and V at the first state
        ("discounted_return", pa.float64()),
        ("value_estimate", pa.float64()),
        ("fingerprint", pa.string()),
        ("ogbench", pa.string()),
        ("mujoco", pa.string()),
        ("gymnasium", pa.string()),
        (
            "success_timing",
            pa.string(),
        ),  # success judged before ("pre") or after ("post") the action
    ]
)
MODEL_ERROR = pa.schema(
    [
        ("task", pa.string()),
        ("agent", pa.string()),
        ("seed", pa.int64()),
        ("step", pa.int64()),
        ("horizon", pa.int64()),  # environment steps
        ("mse", pa.float64()),  # normalised observations; mean over windows and coordinates
        ("windows", pa.int64()),
        ("fingerprint", pa.string()),
    ]
)
VERSIONS = ("ogbench", "mujoco", "gymnasium")  # columns with the simulator's packages
EPISODE_KEYS = ("task", "step", "episode")
MODEL_ERROR_KEYS = ("task", "step", "horizon")


def write_rows(
    path: str | Path,
    rows: Iterable[Mapping[str, Any]],
    schema: pa.Schema = EPISODES,
    keys: tuple[str, ...] = EPISODE_KEYS,
) -> None:
    """Write rows as parquet, sorted by ``keys``: equal rows in any order give equal bytes.

    Raises:
        DataError: if a column is missing or unknown, a value has the wrong type, or two rows have
            the same key.
    """
    rows = sorted(rows, key=lambda row: tuple(row[key] for key in keys))
    for row in rows:
        if set(row) != set(schema.names):
            difference = ", ".join(sorted(set(row) ^ set(schema.names)))
            raise DataError("columns missing or unknown", file=path, found=difference)
    for first, second in pairwise(rows):
        if all(first[key] == second[key] for key in keys):
            key = ", ".join(f"{key} {first[key]}" for key in keys)
            raise DataError("two rows with one key", file=path, found=key)
    try:
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"a value of the wrong type ({error})", file=path) from None
    with atomic(path) as part:
        # Spelled out, so that the bytes do not follow a change of pyarrow's defaults.
        pq.write_table(
            table,
            part,
            row_group_size=1 << 20,
            version="2.6",
            data_page_version="1.0",
            compression="zstd",
            compression_level=3,
            use_dictionary=True,
            write_statistics=True,
        )


def read_rows(path: str | Path, schema: pa.Schema = EPISODES) -> list[dict[str, Any]]:
    """Rows of a file written by :func:`write_rows`."""
    try:
        table = pq.read_table(path, memory_map=False)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"not a readable parquet file ({error})", file=path) from None
    if not table.schema.equals(schema):
        raise DataError("unexpected columns", file=path, found=table.schema.names)
    return table.to_pylist()
