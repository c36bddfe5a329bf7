"""Rows that evaluation writes: one per episode, or one per horizon of the model-error study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from mac.errors import DataError
from mac.rows import KEYS, SCHEMAS, write_table


def write_rows(
    path: str | Path, rows: Iterable[Mapping[str, Any]], evaluator: str = "episodes"
) -> None:
    """Write an evaluation's rows, sorted by their keys: equal rows in any order give equal bytes.

    Raises:
        DataError: if a column is missing or unknown, a value has the wrong type, or two rows have
            the same key.
    """
    schema, keys = SCHEMAS[evaluator], KEYS[evaluator]
    rows = list(rows)
    for row in rows:
        if set(row) != set(schema.names):
            difference = ", ".join(sorted(set(row) ^ set(schema.names)))
            raise DataError("columns missing or unknown", file=path, found=difference)
    rows.sort(key=lambda row: tuple(row[key] for key in keys))
    for first, second in pairwise(rows):
        if all(first[key] == second[key] for key in keys):
            key = ", ".join(f"{key} {first[key]}" for key in keys)
            raise DataError("two rows with one key", file=path, found=key)
    try:
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"a value of the wrong type ({error})", file=path) from None
    write_table(path, table)
