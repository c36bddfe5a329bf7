"""Where released files are hosted."""

from __future__ import annotations

from mac.errors import ConfigError
from mac.io import read_yaml
from mac.planning.experiment import find
from mac.planning.plan import Job


def addresses(job: Job) -> list[str]:
    """Address of each raw file of a fetch job, from ``configs/datasets/ogbench.yaml``.

    Raises:
        ConfigError: if there is none, or one without https that the file does not allow.
    """
    path = find("datasets", "ogbench")
    hosts = read_yaml(path)
    kind = "files" if job.config["data"]["shards"] == 1 else "shards"
    if not isinstance(hosts.get(kind), str):
        raise ConfigError("must hold an address pattern", file=path, key=kind)
    if not hosts[kind].startswith("https://") and hosts.get("allow_http") is not True:
        raise ConfigError(
            "not an https address",
            file=path,
            key=kind,
            found=hosts[kind],
            remedy="anybody on the way could change the data; `allow_http: true` in this file "
            "permits it nevertheless",
        )
    return [hosts[kind].format(dataset=job.task, file=name) for name in job.data_files]
