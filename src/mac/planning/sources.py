"""Where released files are hosted."""

from __future__ import annotations

from mac.errors import ConfigError
from mac.io import read_yaml
from mac.planning.experiment import find
from mac.planning.plan import Job


def addresses(job: Job) -> list[str]:
    """Address of each raw file of a fetch job, from ``configs/datasets/ogbench.yaml``."""
    path = find("datasets", "ogbench")
    hosts = read_yaml(path)
    kind = "files" if job.config["data"]["shards"] == 1 else "shards"
    if not isinstance(hosts.get(kind), str):
        raise ConfigError("must hold an address pattern", file=path, key=kind)
    return [hosts[kind].format(dataset=job.task, file=name) for name in job.data_files]
