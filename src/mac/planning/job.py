"""One unit of work of a plan: what it is, where it writes, what it rests on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mac.agents.base import Stage
from mac.envs.registry import EnvSpec
from mac.errors import MissingInputError
from mac.provenance import RECORD, recorded
from mac.stamps import REVISIONS as REPORT_REVISIONS
from mac.stamps import committed

RESULTS = Path("results")
RAW = Path("data/raw")
STORES = Path("data/stores")
STAGES = RESULTS / "stages"

# Raised when the numbers of a step other than training change; see mac.agents.base.Stage for those.
REVISIONS = {"collect": 1, "fetch": 1, "build": 1, "evaluate": 1, "diagnose": 1}


@dataclass(frozen=True)
class Job:
    """One unit of work.

    Attributes:
        rule: name of its rule; verbs of the command line have the same names.
        experiment: an experiment it belongs to (shared work belongs to several; this is the first).
        fingerprint: of everything the result depends on.
        directory: folder of the outputs.
        files: names of the outputs in it.
        upstream: jobs whose outputs it uses, by the role they play.
        label: the agent's name in the experiment.
        agent: the agent's registered name.
        task: dataset or task whose folder the result lies in.
        task_number: number of the task where the job depends on one.
        tasks: names and numbers of the tasks that are evaluated.
        environment: what is known of the environment.
        config: the resolved configuration, plain values.
        seed: run seed.
        stage: the training stage.
        checkpoints: steps at which weights are kept, or are evaluated.
        needs_gpu: whether the experiment is sized for a GPU.
        data_files: names of the raw files in the folder, training files before validation twins.
    """

    rule: str
    experiment: str
    fingerprint: str
    directory: Path
    files: tuple[str, ...]
    upstream: Mapping[str, Job] = field(default_factory=dict, repr=False)
    label: str = ""
    agent: str = ""
    task: str = ""
    task_number: int | None = None
    tasks: tuple[tuple[str, int], ...] = ()
    environment: EnvSpec | None = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)
    seed: int | None = None
    stage: Stage | None = None
    checkpoints: tuple[int, ...] = ()
    data_files: tuple[str, ...] = ()
    needs_gpu: bool = False

    @property
    def outputs(self) -> list[str]:
        """Paths of the declared outputs."""
        return [str(self.directory / name) for name in self.files]

    def needed(self) -> list[Job]:
        """The jobs whose outputs this one reads.

        Aggregation reads evaluations that are not there, as in a fresh clone, from the rows that
        are committed with its experiment, as far as they are.
        """
        jobs = list(self.upstream.values())
        if self.rule != "aggregate":
            return jobs
        absent = {j.outputs[0] for j in jobs if not Path(j.outputs[0]).exists()}
        if absent:
            absent &= committed(RESULTS / self.experiment).keys()
        return [job for job in jobs if job.outputs[0] not in absent]

    @property
    def inputs(self) -> list[str]:
        """Paths that must exist before the job can run."""
        return [path for job in self.needed() for path in job.outputs]

    @property
    def steps(self) -> int:
        """Number of updates of a training job."""
        return self.checkpoints[-1]

    @property
    def evaluator(self) -> str:
        """What an evaluation measures: ``episodes`` or ``model_error``."""
        return self.files[0].partition(".")[0]

    @property
    def store(self) -> Path:
        """Folder of the built data."""
        return self.upstream["store"].directory

    @property
    def raw_files(self) -> tuple[list[Path], list[Path]]:
        """Training files, and their validation twins, that a store is built from."""
        train: list[Path] = []
        validation: list[Path] = []
        for job in self.upstream.values():
            files = [job.directory / name for name in job.data_files]
            train += files[: len(files) // 2]
            validation += files[len(files) // 2 :]
        return train, validation

    @property
    def resume(self) -> Path:
        """Where the state of interrupted work waits: a file, or a folder; never an output."""
        if self.directory.is_relative_to(STAGES):
            return RESULTS / ".resume" / self.directory.relative_to(STAGES) / "state"
        return RESULTS / ".resume" / self.directory

    @property
    def lock(self) -> Path:
        """File that is locked while a process is at this work."""
        return RESULTS / ".resume" / "locks" / self._name

    @property
    def failure(self) -> Path:
        """File that tells why this work cannot succeed, if it has failed for good."""
        return RESULTS / ".resume" / "failures" / f"{self._name}.json"

    @property
    def _name(self) -> str:
        seed = "" if self.seed is None else f"-seed{self.seed}"
        return f"{self.rule}-{self.fingerprint}{seed}"

    @property
    def reads(self) -> list[Path]:
        """Folders that the work depends on.

        Statistics and reports also read what is committed beside their stamps.
        """
        folders = [job.directory for job in self.upstream.values()]
        return [*folders, self.directory.parent] if self.rule in REPORT_REVISIONS else folders

    @property
    def options(self) -> list[str]:
        """Options of the command line that name this job."""
        options = ["--experiment", self.experiment, "--task", self.task]
        if self.seed is not None:
            options += ["--agent", self.label, "--seed", str(self.seed)]
        return [*options, "--fingerprint", self.fingerprint]

    @property
    def verb(self) -> str:
        """The command line's verb for this job."""
        group = "data " if self.rule in ("collect", "fetch", "build") else ""
        return group + self.rule.replace("_", "-")

    def require_inputs(self) -> None:
        """Refuse to start where something is not there that another job makes.

        Raises:
            MissingInputError: naming the first such file and the commands that make it.
        """
        for job in self.needed():
            for path in job.outputs:
                if not Path(path).exists():
                    raise MissingInputError(
                        f"is not here, and `mac {self.verb}` reads it",
                        file=path,
                        remedy=f"run `snakemake --cores all {self.experiment}`, which makes all "
                        f"that is needed, or `mac {job.verb} {shlex.join(job.options)}`",
                    )

    def ancestors(self) -> Iterator[Job]:
        """Every job that this one rests on, directly or through others, perhaps repeatedly."""
        for job in self.upstream.values():
            yield job
            yield from job.ancestors()

    @property
    def revision(self) -> int | dict[str, int]:
        """Revision of the job's code; of each part where several are trained together."""
        if self.stage is None:
            return {**REVISIONS, **REPORT_REVISIONS}[self.rule]
        revisions = {part.name: part.revision for part in self.stage.members}
        return revisions if self.stage.parts else self.stage.revision

    def recorded(self) -> AbstractContextManager[dict[str, Any]]:
        """Time the work and write its record; see :func:`mac.provenance.recorded`."""
        if self.rule in REPORT_REVISIONS:  # the stamp holds the hashes of what was read and written
            stamp = self.directory / self.files[0]
            return recorded(stamp.with_suffix(f".{RECORD}"), self.record(), outputs=[stamp])
        path = self.directory / RECORD
        return recorded(path, self.record(), inputs=self.inputs, resume=self.resume)

    def record(self) -> dict[str, Any]:
        """What the record says of the job."""
        return {
            "rule": self.rule,
            "agent": self.agent,
            "task": self.task,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
            "revision": self.revision,
            "inputs": {role: job.fingerprint for role, job in self.upstream.items()},
            "config": dict(self.config),
            "origins": {k: v for k, v in self.origins.items() if v != "default"},
        }
