"""A tiny project with every kind of job, run undisturbed, and a way to compare others with it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from mac import rng
from mac.cli import main
from mac.planning import files
from mac.planning.job import Job
from mac.planning.plan import Plan
from tests.faults.attempt import Attempt
from tests.server import FileServer
from tests.workflow.conftest import EXPERIMENT, Project

# Small enough for hundreds of runs, long enough for work to be interrupted in its middle.
COMPUTE = {"compute.save_every_s": 0.02, "compute.workers": 2, "steps": 300, "batch_size": 64}
DATA = {"train_episodes": 30, "episode_length": 60}
VALUE = {**EXPERIMENT["set"]["value"], "checkpoint_every": 150}
SET = {**EXPERIMENT["set"], **COMPUTE, "value": VALUE}
EVALUATE = {"episodes": 12, "batch_width": 2, "num_candidates": 4}


def variant(agents: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """The tests' experiment with other agents and values, one seed."""
    data = {"source": "collect", **DATA} | values.pop("data", {})
    own = {"agents": dict(agents), "seeds": [0], "baseline": None}
    return {**EXPERIMENT, **own, "set": {**SET, "evaluate": EVALUATE, "data": data, **values}}


EXPERIMENTS = {
    "staged": {**variant({"mac": None, "flow_bc": None}), "diagnose": True},
    "joint": variant({"mac": None}, schedule="joint", data={"source": "fetch"}),
    "errors": variant({"model_error": None}, evaluate={"windows": 8, "horizon": 24}),
    "plain": variant({"flow_bc": None}),  # the last one is what the real workflow runs
}


@dataclass
class Outcome:
    """What became of one scenario.

    Attributes:
        name: of the scenario.
        injected: faults.
        survived: faults after which the work ended well, or was refused as it should be.
        different: canonical files that differ from the undisturbed run, are missing or superfluous.
        failures: one line on each fault that was not survived.
        skipped: why the scenario could not run here; it then counts as nothing.
    """

    name: str
    injected: int = 0
    survived: int = 0
    different: int = 0
    failures: list[str] = field(default_factory=list)
    by_kind: dict[str, int] = field(default_factory=dict)
    skipped: str = ""
    seconds: float = 0.0

    def count(self, kind: str, failure: str | None = None) -> None:
        """Count one fault of a kind, survived unless a failure is told."""
        self.injected += 1
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
        if failure is None:
            self.survived += 1
        else:
            self.failures.append(f"{kind}: {failure}")

    def compare(self, found: Mapping[str, bytes], expected: Mapping[str, bytes]) -> None:
        """Count the files that differ."""
        names = found.keys() | expected.keys()
        wrong = sorted(name for name in names if found.get(name) != expected.get(name))
        self.different += len(wrong)
        self.failures += [f"different: {name}" for name in wrong]

    def add(self, other: Outcome) -> None:
        """Count another scenario's faults too."""
        self.injected += other.injected
        self.survived += other.survived
        self.different += other.different
        self.seconds += other.seconds

    @property
    def passed(self) -> bool:
        """Whether every fault was survived without a trace."""
        return self.injected > 0 and self.survived == self.injected and not self.failures

    def line(self) -> str:
        """The outcome in one line."""
        if self.skipped:
            return f"{self.name}: not run ({self.skipped})"
        return (
            f"{self.name}: {self.injected} faults injected, {self.survived} survived, "
            f"{self.different} canonical files different ({self.seconds:.0f} s)"
        )


def label(job: Job) -> str:
    """Kind of a job: its rule, and what an evaluation measures."""
    return job.evaluator if job.rule == "evaluate" else job.rule


def arguments(job: Job) -> list[str]:
    """Command line of a job, without the program."""
    if job.rule in ("aggregate", "render"):
        return [job.rule, job.experiment]
    verb = ["data", job.rule] if job.rule in ("collect", "fetch", "build") else [job.rule]
    return [*verb, *job.options, *(["--workers", "2"] if job.rule == "collect" else [])]


def plan(project: Project, *names: str) -> list[Job]:
    """Jobs of a project's experiments, inputs before what uses them."""
    with chdir(project.folder):
        files.read_config.cache_clear()
        return list(Plan(names))


def done(project: Project, job: Job) -> bool:
    """Whether the declared outputs are there, as the workflow asks."""
    return all((project.folder / path).exists() for path in job.outputs)


def forget(project: Project, job: Job) -> None:
    """Delete what a job has written, as if it had never run."""
    folder = project.folder / job.directory
    if job.rule not in ("aggregate", "render"):
        shutil.rmtree(folder, ignore_errors=True)
        return
    for stamp in folder.glob(f"{job.rule}-*"):
        stamp.unlink()


def start(project: Project, job: Job, **options: Any) -> Attempt:
    """An attempt at the job."""
    return Attempt(arguments(job), project.folder, **options)


def here(project: Project, *words: str) -> Result:
    """A command in this process, which has torch already."""
    with chdir(project.folder):
        files.read_config.cache_clear()
        return CliRunner().invoke(main, words)


def complete(project: Project, *names: str) -> str | None:
    """Run here whatever is not done; returns what went wrong, if anything did."""
    for job in plan(project, *names):
        if not done(project, job):
            ended = here(project, *arguments(job))
            if ended.exit_code:
                return refusal(ended.stderr) or f"{label(job)}: {ended.output[-1000:]}"
    return None


def refusal(text: str) -> str | None:
    """The one line with which a command refused; None if it said more than one, or a traceback."""
    lines = [line for line in text.splitlines() if line.startswith("mac: ")]
    return lines[0] if len(lines) == 1 and "Traceback" not in text else None


class Lab:
    """The undisturbed run: its project, its jobs, their durations, its canonical bytes."""

    def __init__(self, folder: Path, seed: int, experiments: Mapping[str, Any]) -> None:
        self.folder, self.seed, self.experiments = folder, seed, experiments
        self.project = Project.create(folder / "undisturbed")
        self.server = FileServer({})
        self.prepare(self.project)
        self.seconds: dict[str, float] = {}  # by label; the slowest job of a kind

    def prepare(self, project: Project) -> None:
        """Write the experiments, and where released files are."""
        for name, content in self.experiments.items():
            project.write(f"experiments/{name}", content)
        hosts = {"places": [self.server.root], "allow_http": True}
        project.write("datasets/ogbench", hosts)

    def fresh(self, name: str) -> Project:
        """A project in which nothing has been done."""
        project = Project.create(self.folder / name)
        self.prepare(project)
        return project

    def copy(self, name: str) -> Project:
        """A project in which everything has been done."""
        project = Project(self.folder / name)
        shutil.copytree(self.project.folder, project.folder, symlinks=True)
        return project

    def draws(self, *purpose: str | int) -> np.random.Generator:
        """The named random stream of a scenario."""
        return rng.stream(self.seed, "torture", *purpose)

    def run(self) -> None:
        """Run everything undisturbed, and serve what was collected as the released files."""
        for job in plan(self.project, *self.experiments):
            began = time.monotonic()
            code, text = start(self.project, job).said()
            assert code == 0, f"{label(job)}: {text}"
            spent = time.monotonic() - began
            self.seconds[label(job)] = max(spent, self.seconds.get(label(job), 0.0))
            if job.rule == "collect":
                folder = self.project.folder / job.directory
                self.server.contents = {f"/{p.name}": p.read_bytes() for p in folder.glob("*.npz")}
                self.server.pause = 0.02
        self.jobs = plan(self.project, *self.experiments)
        self.canonical = canonical(self.project)

    def part(self, name: str) -> dict[str, bytes]:
        """Canonical bytes of one experiment and of all that it rests on."""
        jobs = plan(self.project, name)
        return {k: v for job in jobs for k, v in self.bytes_of(self.project, job).items()}

    def bytes_of(self, project: Project, job: Job) -> dict[str, bytes]:
        """Canonical bytes that one job wrote."""
        folder = job.directory if job.rule not in ("aggregate", "render") else job.directory.parent
        names = {
            "aggregate": (
                *("episodes.parquet", "scores.csv", "summary.json", "model_error.csv"),
                *("diagnostics.json", "films/*"),
            ),
            "render": ("table.md", "table.tex", "table.html", "table.csv", "figures/*"),
        }.get(job.rule, ("*",))
        root = project.folder / folder
        found = [path for name in names for path in root.glob(name)]
        return {str(p.relative_to(project.folder)): p.read_bytes() for p in found if _counts(p)}


# Times and machines differ from run to run: so do these, and the stamps that hold their hashes.
VARYING = {"run.yaml", "runs.json", "report.html"}


def _counts(path: Path) -> bool:
    return path.is_file() and path.name not in VARYING and "built" not in path.parts


def canonical(project: Project) -> dict[str, bytes]:
    """Bytes of everything that must not depend on how the work was done, leftovers included."""
    roots = [project.folder / name for name in ("data", "results")]
    files = [path for root in roots for path in root.rglob("*") if _counts(path)]
    return {str(path.relative_to(project.folder)): path.read_bytes() for path in files}


@contextmanager
def laboratory(
    folder: Path, seed: int, experiments: Mapping[str, Any] = EXPERIMENTS
) -> Iterator[Lab]:
    """A lab whose undisturbed run has ended well, and whose server answers."""
    lab = Lab(folder, seed, experiments)
    with lab.server:
        lab.run()
        yield lab
