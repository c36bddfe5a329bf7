"""From an experiment to its jobs: what runs, from which inputs, into which paths.

Reads YAML only, never torch. Every expensive path carries the fingerprint of everything its content
depends on. Work is done when its output exists, whatever the clocks say; a changed value means a
changed path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mac.agents.base import Agent, Stage
from mac.config.baselines import StepConfig
from mac.config.load import sections
from mac.config.schema import DataConfig
from mac.envs.registry import EnvSpec
from mac.errors import ConfigError
from mac.io import fingerprint, read_yaml
from mac.planning.experiment import Cell, Experiment
from mac.planning.files import find
from mac.planning.sources import refuse_unhosted
from mac.provenance import RECORD, recorded
from mac.stamps import REVISIONS as REPORT_REVISIONS
from mac.stamps import committed

RESULTS = Path("results")
RAW = Path("data/raw")
STORES = Path("data/stores")
STAGES = RESULTS / "stages"

# Raised when the numbers of a step other than training change; see mac.agents.base.Stage for those.
REVISIONS = {"collect": 1, "fetch": 1, "build": 1, "evaluate": 1, "diagnose": 1}

_EVALUATOR_READS = {
    "episodes": (
        *("data.normalizer", "mode", "chunk_length", "evaluate.execute_length"),
        *("evaluate.episodes", "evaluate.batch_width", "evaluate.first_seed"),
    ),
    "model_error": ("data.normalizer", "chunk_length", "evaluate.windows", "evaluate.horizon"),
}
# The return that a value function is compared with is on the value function's scale.
_VALUE_READS = {"reward": ("discount", "chunk_reward"), "goal": ("discount", "goals.negative")}


@dataclass(frozen=True)
class Run:
    """An evaluation as part of one experiment; others that share it may label it differently."""

    label: str
    job: Job


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


def task_name(environment: EnvSpec, mode: str, number: int) -> str:
    """Name of a task, as in rows and tables."""
    kind = "singletask" if mode == "reward" else "oraclerep"
    return f"{environment.dataset}-{kind}-task{number}-v0"


def _slice(cell: Cell, keys: Iterable[str]) -> dict[str, Any]:
    return {key: cell.resolved.value(key) for key in keys}


def _evaluation_reads(cell: Cell) -> dict[str, Any]:
    """What an evaluation depends on beside its checkpoints and the data."""
    agent, mode = cell.agent, cell.resolved.config.mode
    reads = [*_EVALUATOR_READS[agent.evaluator], *agent.act_reads]
    if agent.value is not Agent.value:
        reads += _VALUE_READS[mode]
        if cell.resolved.config.evaluate.value_horizon is not None:
            reads.append("evaluate.value_horizon")  # where it is off, nothing depends on it
    if issubclass(agent.Config, StepConfig):
        reads = [key for key in reads if key not in ("chunk_length", "chunk_reward")]  # no settings
    content: dict[str, Any] = {"config": _slice(cell, reads)}
    if agent.evaluator == "episodes" and cell.environment.simulator != "ogbench":
        # OGBench's id, which the data hold, fixes all else: a line that disagrees is refused.
        content["environment"] = cell.environment.facts()
    return content


def _stage_slice(cell: Cell, stage: Stage) -> dict[str, Any]:
    """What the stage reads, without the variants that have their default value."""
    default = sections(type(cell.resolved.config))
    plain = [key for key in stage.variants if cell.resolved.value(key) == default[key]]

    def without(key: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        kept = {name: v for name, v in value.items() if f"{key}.{name}" not in plain}
        return {name: without(f"{key}.{name}", v) for name, v in kept.items()}

    reads = stage.keys(cell.resolved.config.mode)
    inside = [key for key in stage.variants if key.startswith(tuple(f"{r}." for r in reads))]
    keys = (*reads, *(key for key in stage.variants if key not in {*plain, *inside}))
    return {key: without(key, value) for key, value in _slice(cell, keys).items()}


def _groups(cell: Cell) -> list[tuple[int, ...]]:
    """Tasks of each run: one by one where an agent plays rewards, all together otherwise."""
    if cell.resolved.config.mode == "reward" and cell.agent.evaluator == "episodes":
        return [(number,) for number in cell.tasks]
    return [cell.tasks]


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
    mark = fingerprint(content)
    return Job(
        "build",
        fingerprint=mark,
        directory=STORES / f"{spec.dataset}-{mark}",
        files=("manifest.json", RECORD),
        upstream={f"raw{n or ''}": job for n, job in enumerate(raw)},
        **shared,
    )


def _told(wanted: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in wanted.items())


class Plan:
    """All jobs of some experiments, each once, inputs before what uses them."""

    def __init__(self, names: Iterable[str]) -> None:
        self.experiments = {name: Experiment(name) for name in names}
        self._jobs: dict[Path, Job] = {}
        self.runs: dict[str, list[Run]] = {}
        self.diagnoses: dict[str, list[Run]] = {}
        self.final: dict[str, Job] = {}
        for experiment in self.experiments.values():
            self._add_experiment(experiment)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)

    @cached_property
    def unavailable(self) -> dict[str, str]:
        """Environments left out because their data cannot be had, and why."""
        return {k: v for e in self.experiments.values() for k, v in e.unavailable.items()}

    def results(self, name: str) -> list[Job]:
        """The jobs that make an experiment's results: its tables, and the rows that they show."""
        final = self.final[name]
        return [*final.upstream.values(), final]

    def writer(self, path: str | Path) -> Job:
        """The job whose first declared output is ``path``."""
        path = Path(path)
        if path not in self._jobs:
            raise ConfigError(
                "no job of this plan writes this file",
                file=path,
                remedy="its configuration has changed since, or it belongs to another experiment",
            )
        return self._jobs[path]

    def find(self, rule: str, *, fingerprint: str | None = None, **wanted: Any) -> Job:
        """The one job of a rule with the given attributes."""
        found = self.find_all(rule, fingerprint=fingerprint, **wanted)
        if len(found) > 1:
            raise ConfigError(
                f"several {rule} jobs with {_told(wanted)}",
                key="--fingerprint",
                expected=" or ".join(job.fingerprint for job in found),
            )
        return found[0]

    def find_all(self, rule: str, *, fingerprint: str | None = None, **wanted: Any) -> list[Job]:
        """The jobs of a rule with the given attributes, at least one."""
        jobs = [job for job in self if job.rule == rule]
        named = [j for j in jobs if all(getattr(j, k) == v for k, v in wanted.items())]
        if not named:
            options = sorted({f"{j.label} {j.task} seed {j.seed}" for j in jobs})
            shown = "; ".join(options[:6]) + ("; …" if len(options) > 6 else "")
            raise ConfigError(
                f"no {rule} job with {_told(wanted)}", expected=shown or f"a plan with {rule} jobs"
            )
        found = [job for job in named if fingerprint in (None, job.fingerprint)]
        if not found:
            raise ConfigError(
                f"the {rule} job with {_told(wanted)} has another fingerprint",
                found=fingerprint,
                expected=" or ".join(job.fingerprint for job in named),
                remedy="a configuration file has changed since this job was planned; start again",
            )
        return found

    def _add(self, job: Job) -> Job:
        return self._jobs.setdefault(Path(job.outputs[0]), job)

    def _add_experiment(self, experiment: Experiment) -> None:
        runs, diagnoses = [], []
        for cell in experiment.cells:
            store = self._store(experiment.name, cell)
            for seed in experiment.file.seeds:
                for tasks in _groups(cell):
                    trained, job = self._run(experiment.name, cell, store, seed, tasks)
                    runs.append(Run(cell.label, job))
                    first = experiment.file.diagnose and seed == experiment.file.seeds[0]
                    if first and job.evaluator == "episodes":
                        look = self._diagnose(experiment.name, cell, trained, job)
                        diagnoses.append(Run(cell.label, look))
        if runs:
            self.runs[experiment.name], self.diagnoses[experiment.name] = runs, diagnoses
            self._report(experiment, runs, diagnoses)

    def _store(self, experiment: str, cell: Cell) -> Job:
        spec = cell.environment
        shared = {
            "experiment": experiment,
            "task": spec.dataset,
            "environment": spec,
            "config": cell.resolved.plain,
            "origins": cell.resolved.origins,
        }
        data = cell.resolved.config.data
        if data.source == "fetch":
            refuse_unhosted(spec.dataset, data.shards)
        raw = [self._add(job) for job in raw_jobs(spec, data, **shared)]
        return self._add(store_job(spec, raw, **shared))

    def _train(
        self,
        experiment: str,
        cell: Cell,
        store: Job,
        seed: int,
        number: int | None,
        stage: Stage,
        upstream: Mapping[str, Job],
    ) -> Job:
        config, spec = cell.resolved.config, cell.environment
        section = getattr(config, stage.section) if stage.section else config
        number = number if stage.scope == "task" and config.mode == "reward" else None
        task = spec.dataset if number is None else task_name(spec, config.mode, number)
        every = cell.resolved.value(stage.checkpoints) if stage.checkpoints else None
        steps = section.steps
        checkpoints = (*range(every, steps, every), steps) if every else (steps,)
        content = {
            "stage": stage.name,
            "parts": stage.identity(cell.agent.name),
            "config": _stage_slice(cell, stage),
            "task": number,
            "upstream": {role: job.fingerprint for role, job in upstream.items()},
            "store": store.fingerprint,
        }
        mark = fingerprint(content)
        return self._add(
            Job(
                "train_agent" if stage.parts else f"train_{stage.name}",
                experiment=experiment,
                fingerprint=mark,
                directory=STAGES / task / f"{stage.name}-{mark}" / f"seed{seed}",
                files=("checkpoint.safetensors", "metrics.csv", RECORD),
                upstream={"store": store, **upstream},
                label=cell.label,
                agent=cell.agent.name,
                task=task,
                task_number=number,
                environment=spec,
                config=cell.resolved.plain,
                origins=cell.resolved.origins,
                seed=seed,
                stage=stage,
                checkpoints=checkpoints,
                needs_gpu=self.experiments[experiment].file.requires_gpu,
            )
        )

    def _run(
        self, experiment: str, cell: Cell, store: Job, seed: int, tasks: tuple[int, ...]
    ) -> tuple[dict[str, Job], Job]:
        """Training and evaluation of an agent on one task (goal mode: all of an environment's)."""
        config, spec, agent = cell.resolved.config, cell.environment, cell.agent
        number = tasks[0] if config.mode == "reward" else None
        trained: dict[str, Job] = {}
        if config.schedule == "joint" and len(agent.stages) > 1:
            stage = agent.joint_stage()
            trained["joint"] = self._train(experiment, cell, store, seed, number, stage, {})
            acting = {"joint": trained["joint"]}
        else:
            for stage in agent.stages:
                upstream = {name: trained[name] for name in stage.needs}
                trained[stage.name] = self._train(
                    experiment, cell, store, seed, number, stage, upstream
                )
            acting = {name: trained[name] for name in agent.acts_with}
        checkpoints = next(reversed(acting.values())).checkpoints if acting else (0,)
        content = {
            "stage": "evaluate",
            "revision": REVISIONS["evaluate"],
            "agent": agent.name,
            "evaluator": agent.evaluator,
            "tasks": list(tasks) if agent.evaluator == "episodes" else None,
            "checkpoints": list(checkpoints),
            "upstream": {role: job.fingerprint for role, job in acting.items()},
            "store": store.fingerprint,
            **_evaluation_reads(cell),
        }
        mark = fingerprint(content)
        named = number is not None and agent.evaluator == "episodes"
        task = task_name(spec, config.mode, number) if named else spec.dataset
        return trained, self._add(
            Job(
                "evaluate",
                experiment=experiment,
                fingerprint=mark,
                directory=STAGES / task / f"evaluate-{mark}" / f"seed{seed}",
                files=(f"{agent.evaluator}.parquet",),
                upstream={"store": store, **acting},
                label=cell.label,
                agent=agent.name,
                task=task,
                task_number=number,
                tasks=tuple((task_name(spec, config.mode, t), t) for t in tasks),
                environment=spec,
                config=cell.resolved.plain,
                origins=cell.resolved.origins,
                seed=seed,
                checkpoints=checkpoints,
            )
        )

    def _diagnose(
        self, experiment: str, cell: Cell, trained: Mapping[str, Job], evaluation: Job
    ) -> Job:
        """A look inside an evaluated run, with every part that was trained for it.

        All that it reads is in the fingerprints of these parts and of the evaluation, which another
        experiment may share, and name differently, without asking for a diagnosis.
        """
        content = {
            "stage": "diagnose",
            "revision": REVISIONS["diagnose"],
            "evaluation": evaluation.fingerprint,
            "upstream": {role: job.fingerprint for role, job in trained.items()},
        }
        mark = fingerprint(content)
        return self._add(
            replace(
                evaluation,
                rule="diagnose",
                experiment=experiment,
                label=cell.label,
                config=cell.resolved.plain,
                origins=cell.resolved.origins,
                fingerprint=mark,
                directory=STAGES / evaluation.task / f"diagnose-{mark}" / f"seed{evaluation.seed}",
                files=("diagnostics.json",),
                upstream={"store": evaluation.upstream["store"], **trained},
                checkpoints=evaluation.checkpoints[-1:],
            )
        )

    def _report(self, experiment: Experiment, runs: list[Run], diagnoses: list[Run]) -> None:
        """Aggregation and rendering; their stamps carry the fingerprint that fixed names cannot."""
        labels = {cell.label: cell for cell in experiment.cells}
        rules = {cell.resolved.config.report.checkpoint for cell in experiment.cells}
        if len(rules) > 1:
            raise ConfigError(
                "agents compared must report checkpoints by one rule",
                file=experiment.path,
                key="report.checkpoint",
                found=" and ".join(sorted(rules)),
            )
        content = {
            "rule": "aggregate",
            "revision": REPORT_REVISIONS["aggregate"],
            "runs": sorted([r.label, r.job.task, r.job.seed, r.job.fingerprint] for r in runs),
            "report": {k: cell.resolved.value("report") for k, cell in sorted(labels.items())},
            "baseline": experiment.file.baseline,
            "no_data": experiment.unavailable,
        }
        inputs = {f"{r.label} {r.job.task} {r.job.seed}": r.job for r in runs}
        if diagnoses:
            content["diagnoses"] = sorted([r.label, r.job.fingerprint] for r in diagnoses)
            inputs |= {f"{r.label} {r.job.task} diagnosis": r.job for r in diagnoses}
        aggregate = self._stamp("aggregate", experiment.name, content, inputs)
        content = {
            "rule": "render",
            "revision": REPORT_REVISIONS["render"],
            "aggregate": aggregate.fingerprint,
            "title": experiment.file.title,
            "caption": experiment.file.caption,
            "tuning": sorted(
                [c.label, c.environment.name, c.resolved.config.mode, c.tuning.model_dump()]
                for c in experiment.cells
                if c.tuning
            ),
            "paper": read_yaml(find("paper", experiment.file.paper))
            if experiment.file.paper
            else None,
        }
        self.final[experiment.name] = self._stamp(
            "render", experiment.name, content, {"aggregate": aggregate}
        )

    def _stamp(
        self, rule: str, experiment: str, content: Mapping[str, Any], upstream: Mapping[str, Job]
    ) -> Job:
        mark = fingerprint(content)
        directory = RESULTS / experiment / "built"
        return self._add(Job(rule, experiment, mark, directory, (f"{rule}-{mark}.json",), upstream))
