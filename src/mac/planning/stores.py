"""The jobs that bring raw data here and build a store of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mac.config.schema import DataConfig
from mac.envs.registry import EnvSpec
from mac.io import fingerprint
from mac.planning.job import RAW, REVISIONS, STORES, Job
from mac.provenance import RECORD


def raw_jobs(spec: EnvSpec, data: DataConfig, **shared: Any) -> list[Job]:
    """The jobs that collect or fetch a data set's raw files, in the order of the files.

    One job fetches all of them. Collected shards are a job each, shard k with seed ``data.seed`` +
    k, so that a cluster collects them side by side.

    Args:
        spec: the environment.
        data: which data.
        shared: fields of every job.
    """
    one = data.shards == 1
    shards = [""] if one else [f"-{index:03d}" for index in range(data.shards)]
    if data.source == "collect":
        return [_collect_job(spec, data, *shard, **shared) for shard in enumerate(shards)]
    names = [f"{spec.dataset}-v0{shard}" for shard in shards]
    files = tuple(f"{name}{kind}.npz" for kind in ("", "-val") for name in names)
    content = {"rule": "fetch", "revision": REVISIONS["fetch"], "files": list(files)}
    folder = spec.dataset if one else f"{spec.dataset}-{data.shards}shards"
    return [
        Job(
            "fetch",
            fingerprint=fingerprint(content),
            directory=RAW / folder,
            files=("fetched.json", RECORD),
            data_files=files,
            **shared,
        )
    ]


def _collect_job(
    spec: EnvSpec,
    data: DataConfig,
    index: int,
    shard: str,
    *,
    config: Mapping[str, Any],
    **shared: Any,
) -> Job:
    """The job that collects one file and its validation twin; ``shard`` is part of their names."""
    seed = data.seed + index
    content = {
        "rule": "collect",
        "revision": REVISIONS["collect"],
        "environment": spec.data_facts(),
        "train_episodes": data.train_episodes,
        "episode_length": data.episode_length,
        "seed": seed,
        **({"shard": shard} if shard else {}),
    }
    mark = fingerprint(content)
    files = tuple(f"{spec.dataset}-v0{shard}{kind}.npz" for kind in ("", "-val"))
    return Job(
        "collect",
        fingerprint=mark,
        directory=RAW / f"{spec.dataset}{shard}-{mark}",
        files=(*files, RECORD),
        data_files=files,
        config={**config, "data": {**config["data"], "seed": seed}},
        **shared,
    )


def store_job(spec: EnvSpec, raw: list[Job], **shared: Any) -> Job:
    """The job that builds a store from raw files; ``shared`` are further fields of it."""
    marks = [job.fingerprint for job in raw]
    content = {
        "rule": "build",
        "revision": REVISIONS["build"],
        "environment": spec.data_facts(),
        "raw": marks if marks[1:] else marks[0],
    }
    precision = shared["config"]["data"]["precision"]
    if precision != "float32":  # so that older stores keep their names
        content["precision"] = precision
    mark = fingerprint(content)
    return Job(
        "build",
        fingerprint=mark,
        directory=STORES / f"{spec.dataset}-{mark}",
        files=("manifest.json", RECORD),
        upstream={f"raw{n or ''}": job for n, job in enumerate(raw)},
        **shared,
    )
