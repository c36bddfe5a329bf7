"""What a plan's jobs ask of a cluster, and which of them share a submission.

Jobs that share a submission run side by side as processes, on one GPU where they need one. A job's
run-time is computed from its own estimate alone, so that every process of a workflow, whatever part
of the plan it sees, finds the same number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mac.config.wording import refusal
from mac.errors import ConfigError
from mac.io import read_yaml
from mac.planning.estimate import rates, seconds
from mac.planning.job import Job

LOCAL = ("fetch", "aggregate", "render")  # light, or in need of the internet
# Rates are measured on other machines, and a job must not need a second attempt for a little.
SAFETY = 1.5
SPARE_ATTEMPTS = (
    10  # for nodes that fail and preemptions, beyond those that the limit makes needful
)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Ask(_Section):
    """What a job of a rule asks for; ``together`` jobs share a submission."""

    minutes: int = Field(ge=1)
    mem_mb: int = Field(ge=1)
    cpus: int = Field(1, ge=1)
    gpu: bool = False
    together: int = Field(1, ge=1)
    slurm: dict[str, str | int] = {}


class _File(_Section):
    limit: int = Field(ge=1)
    gpu: dict[str, str]
    slurm: dict[str, str | int] = {}
    rules: dict[str, Ask]


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two layers; sections are merged, except ``gpu``, whose variants exclude each other."""
    result = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(under.get(key), dict)
        result[key] = _merged(under[key], value) if both and key != "gpu" else value
    return result


class Cluster:
    """Requests of a site.

    Args:
        files: names of YAML files, separated by commas; later ones override.

    Raises:
        ConfigError: a file is missing, or has a key or a value that means nothing.
    """

    def __init__(self, files: str) -> None:
        content: dict[str, Any] = {}
        for name in files.split(","):
            content = _merged(content, read_yaml(Path(name)))
        try:
            self._file = _File.model_validate(content)
        except ValidationError as error:
            raise refusal(error, _File, files) from None

    @cached_property
    def _rates(self) -> Mapping[str, Any]:
        return rates()

    def ask(self, rule: str) -> Ask:
        """What a rule's jobs ask for."""
        if rule not in self._file.rules:
            known = ", ".join(self._file.rules)
            raise ConfigError("no resources for this rule", key=f"rules.{rule}", expected=known)
        return self._file.rules[rule]

    def resources(self, rule: str) -> dict[str, str | int]:
        """What is the same for all jobs of a rule, by Snakemake's and its executor's names."""
        ask = self.ask(rule)
        gpu = self._file.gpu if ask.gpu else {}
        return {"mem_mb": ask.mem_mb, **self._file.slurm, **gpu, **ask.slurm}

    def _needed(self, job: Job) -> float:
        """Minutes that a job takes beside its neighbours, with which it shares a GPU."""
        ask = self.ask(job.rule)
        alone = sum(part for _, part in seconds(job, self._rates)) / 60
        return SAFETY * alone * (ask.together if ask.gpu else 1)

    def minutes(self, job: Job) -> int:
        """Run-time to ask for; never more than the site's limit."""
        ask = self.ask(job.rule)
        return min(self._file.limit, ask.minutes + math.ceil(self._needed(job)))

    def retries(self, jobs: Iterable[Job]) -> int:
        """Attempts after the first that the longest of some jobs may have."""
        longest = max((self._needed(job) for job in jobs), default=0.0)
        return math.ceil(longest / self._file.limit) + SPARE_ATTEMPTS - 1

    def submissions(self, jobs: Iterable[Job]) -> dict[str, list[Job]]:
        """Jobs that share a submission, by its name; seeds of a stage come first.

        Jobs of rules that run on the machine of the workflow itself are left out.
        """
        found: dict[str, list[Job]] = {}
        remote = (job for job in jobs if job.rule not in LOCAL)
        for rule, of_rule in groupby(sorted(remote, key=_order), key=lambda job: job.rule):
            width, room = self.ask(rule).together, 0
            for _, seeds in groupby(of_rule, key=lambda job: job.directory.parent):
                stage = list(seeds)
                while stage:
                    # A stage's seeds stay together, unless they are more than fit.
                    if room < len(stage):
                        found[f"{rule}-{stage[0].fingerprint}-{stage[0].seed}"] = part = []
                        room = width
                    part += stage[:room]
                    room, stage = max(0, room - len(stage)), stage[room:]
        return found


def _order(job: Job) -> tuple[str, str, str, int]:
    return job.rule, job.experiment, str(job.directory.parent), job.seed or 0
