"""From an experiment to its jobs: what runs, from which inputs, into which paths.

Reads YAML only, never torch. Every expensive path carries the fingerprint of everything its content
depends on. Work is done when its output exists, whatever the clocks say; a changed value means a
changed path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Any

from mac.agents.base import Stage
from mac.envs.registry import EnvSpec
from mac.errors import ConfigError
from mac.io import fingerprint, read_yaml
from mac.planning.experiment import Cell, Experiment
from mac.planning.job import RESULTS, REVISIONS, STAGES, Job
from mac.planning.reads import evaluation_reads, stage_reads
from mac.planning.sources import refuse_unhosted
from mac.planning.stores import raw_jobs, store_job
from mac.planning.tuning import told_tuning
from mac.provenance import RECORD
from mac.stamps import REVISIONS as REPORT_REVISIONS


@dataclass(frozen=True)
class Run:
    """An evaluation as part of one experiment; others that share it may label it differently."""

    label: str
    job: Job


def task_name(environment: EnvSpec, mode: str, number: int) -> str:
    """Name of a task, as in rows and tables."""
    kind = "singletask" if mode == "reward" else "oraclerep"
    return f"{environment.dataset}-{kind}-task{number}-v0"


def _code(cell: Cell, members: Iterable[Stage] = ()) -> dict[str, str]:
    """What stands for an agent's own code in a fingerprint, beside revisions."""
    shared = [*members] and all(stage.make for stage in members)
    code = None if shared else cell.agent.code()
    return {} if code is None else {"code": code}


def _groups(cell: Cell) -> list[tuple[int, ...]]:
    """Tasks of each run: one by one where an agent plays rewards, all together otherwise."""
    if cell.resolved.config.mode == "reward" and cell.agent.evaluator == "episodes":
        return [(number,) for number in cell.tasks]
    return [cell.tasks]


def _refuse_doubles(experiment: Experiment, runs: Iterable[Run]) -> None:
    """Refuse a label all of whose runs are another's: the table would compare runs with themselves.

    Raises:
        ConfigError: naming both, and the keys in which they differ though no run reads them.
    """
    made: dict[str, set[str]] = {}
    for run in runs:
        made.setdefault(run.label, set()).update(run.job.outputs)
    for other, label in permutations(made, 2):
        if made[label] <= made[other]:
            unread = _differing(experiment, label, other)
            raise ConfigError(
                f"{label} and {other} are the same runs"
                + (f": none of them reads {', '.join(unread)}" if unread else ""),
                file=experiment.path,
                key=f"agents.{label}",
                remedy="set something that is run, or remove one of the two",
            )


def _differing(experiment: Experiment, *labels: str) -> list[str]:
    """Keys in which two agents of an experiment differ where both take part."""
    cells, other = ([c for c in experiment.cells if c.label == label] for label in labels)
    pairs = [
        (a.resolved, b.resolved) for a in cells for b in other if a.environment == b.environment
    ]
    return sorted({key for a, b in pairs for key in a.origins if a.value(key) != b.value(key)})


def _told(wanted: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in wanted.items())


def _matching(jobs: Iterable[Job], wanted: Mapping[str, Any]) -> list[Job]:
    return [job for job in jobs if all(getattr(job, k) == v for k, v in wanted.items())]


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
        named = _matching(jobs, wanted)
        if not named:
            raise ConfigError(
                f"no {rule.replace('_', '-')} job with {_told(wanted)}",
                expected=self._nearest(jobs, **wanted) or f"a plan with {rule} jobs",
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

    def _nearest(self, jobs: list[Job], *, seed: int | None = None, **wanted: Any) -> str:
        """What could have been asked for instead of what none of the ``jobs`` is."""
        if seed is not None and (others := _matching(jobs, wanted)):
            return f"--seed {' or '.join(map(str, sorted({job.seed for job in others})))}"
        own = [job for job in jobs if job.label == wanted.get("label")]
        near = own or self._trained(**wanted) or jobs
        options = list(dict.fromkeys(f"{j.verb} --agent {j.label} --task {j.task}" for j in near))
        return "; ".join(options[:6]) + ("; …" if len(options) > 6 else "")

    def _trained(self, label: str = "", task: str = "", **_: Any) -> list[Job]:
        """What is trained for a label, and a task if it is its own; a shared part is another's."""
        runs = [run.job for own in self.runs.values() for run in own if run.label == label]
        near = [job for job in runs if task in (job.task, job.environment.dataset)] or runs
        return [job for run in near for job in reversed([*run.ancestors()]) if job.stage]

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
        _refuse_doubles(experiment, runs)
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
            **_code(cell, stage.members),
            "config": stage_reads(cell, stage),
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
            **_code(cell),
            "tasks": list(tasks) if agent.evaluator == "episodes" else None,
            "checkpoints": list(checkpoints),
            "upstream": {role: job.fingerprint for role, job in acting.items()},
            "store": store.fingerprint,
            **evaluation_reads(cell),
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
                [c.label, c.environment.name, c.resolved.config.mode, told_tuning(c)]
                for c in experiment.cells
                if c.tuning
            ),
            "paper": read_yaml(experiment.paper) if experiment.paper else None,
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
