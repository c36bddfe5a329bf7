"""The rows that evaluation writes and statistics read: columns, keys, and the bytes of a file.

What the columns mean is written in results/README.md.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

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
        ("success_timing", pa.string()),  # judged before ("pre") or after ("post") the action
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
# By evaluator.
SCHEMAS = {"episodes": EPISODES, "model_error": MODEL_ERROR}
KEYS = {
    "episodes": ["task", "agent", "seed", "step", "episode"],
    "model_error": ["task", "agent", "seed", "step", "horizon"],
}
VERSIONS = ("ogbench", "mujoco", "gymnasium")  # columns with the simulator's packages


def write_table(path: str | Path, table: pa.Table) -> None:
    """Write a table as parquet; equal tables give equal bytes."""
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
