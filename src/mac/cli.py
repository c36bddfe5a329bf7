"""The `mac` command: each verb parses, finds the job in the plan, and calls one function."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from mac.errors import MacError, refused

USER_MISTAKE = 2

# Jobs run side by side, and sums split over threads round differently: threads are the
# configuration's business, which sets those of torch. NumPy's libraries read these when first
# imported.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def _elsewhere() -> str:
    """What most mistakes come from where this folder is not the repository's root."""
    here = Path.cwd()
    if (here / "configs").is_dir():
        return ""
    return f"; looked in {here}, which has no configs/: run mac in the repository's root"


class Verbs(click.Group):
    """Command group that takes dashes for underscores, and prints a user's mistake as one line."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Verb by name; ``train-model`` and ``train_model`` are the same."""
        return super().get_command(ctx, name.replace("-", "_"))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except (MacError, OSError) as error:
            told = error if isinstance(error, MacError) else refused(error)
            if told is None or os.environ.get("MAC_TRACEBACK"):
                raise
            click.echo(f"mac: {told}{_elsewhere()}", err=True)
            ctx.exit(USER_MISTAKE)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mac-bench")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="until this process is ended from outside; training and evaluation save themselves and "
    "leave before, with exit code 75: the same call goes on with them",
)
@click.option(
    "--since",
    type=float,
    envvar="MAC_SINCE",
    help="when these minutes began, in seconds since the epoch; now, where MAC_SINCE is not set",
)
@click.pass_context
def main(context: click.Context, minutes: float | None, since: float | None) -> None:
    """Reproduce the benchmark of scalable offline model-based RL with action chunks."""
    from mac.stopping import Deadline

    context.obj = Deadline(minutes, since)


def selecting(
    *, seed: bool = True, dataset: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Options that name one job of an experiment's plan; or, for data, an argument instead."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        if dataset:
            function = click.argument("dataset", required=False)(function)
        function = click.option(
            "--fingerprint", default=None, help="of the job, where several bear these names"
        )(function)
        if seed:
            function = click.option("--seed", type=int, required=True, help="run seed")(function)
            function = click.option(
                "--agent", "label", required=True, help="the agent's name in the experiment"
            )(function)
        needed = not dataset
        function = click.option("--task", required=needed, help="task or dataset")(function)
        return click.option("--experiment", required=needed, help="configs/experiments/NAME.yaml")(
            function
        )

    return add


def _plan(*experiments: str) -> Any:
    from mac.planning.plan import Plan

    return Plan(experiments)


@contextmanager
def _attempt(plan: Any, rule: str, *, remember: bool = True, **names: Any) -> Iterator[Any]:
    """The job of a plan that these options name, held against its doubles while it is worked at.

    A command whose work is done, perhaps by a double that it had to wait for, ends here; tables,
    which take seconds, are made as often as one asks. So does a job that has failed for good, which
    is to ``remember`` where the command does what the job says, and nothing else decides.
    """
    with _work(plan.find(rule, **names), remember=remember) as job:
        yield job


def _data(rule: str, dataset: str | None, experiment: str | None, **names: Any) -> list[Any]:
    """The jobs that bring or build a data set, by its name or by an experiment that uses it."""
    from mac.planning.datasets import data_jobs, store_of

    if dataset is not None:
        return [store_of(dataset)] if rule == "build" else data_jobs(dataset, rule)
    if experiment is not None and names["task"] is not None:
        plan = _plan(experiment)
        return plan.find_all(rule, **names) if rule == "collect" else [plan.find(rule, **names)]
    raise click.UsageError("name a DATASET, or --experiment and --task")


@contextmanager
def _work(job: Any, *, remember: bool = True) -> Iterator[Any]:
    """A job, held against its doubles; see :func:`_attempt`."""
    from mac.failures import remembered
    from mac.gpus import claimed
    from mac.io import not_ahead
    from mac.locks import alone
    from mac.planning.memory import exhausted
    from mac.planning.resources import gpus
    from mac.provenance import RECORD
    from mac.stamps import REVISIONS as STAMPED

    with suppress(OSError):  # Linux, short of memory, shall end a job before whatever started it
        Path("/proc/self/oom_score_adj").write_text("500")
    remedy = f"once the cause is mended, `mac clear {job.experiment}` lets the job try again"
    with ExitStack() as held:
        held.callback(not_ahead, job.inputs)
        waited = held.enter_context(alone(job.lock))
        again = job.rule in STAMPED
        needed = [*map(Path, job.outputs), *([] if again else [job.directory / RECORD])]
        if (waited or not again) and all(path.exists() for path in needed):
            click.echo(f"{job.outputs[0]}: done before", err=True)
            click.get_current_context().exit()
        if remember:
            held.enter_context(remembered(job.failure, job.reads, remedy=remedy))
        if gpus(job) and not job.config["compute"]["device"].startswith("cuda:"):
            held.enter_context(claimed())
        try:
            yield job
        except MemoryError as error:
            raise exhausted(job, error) from None


def _training_verb(rule: str, text: str) -> None:
    @main.command(rule, help=text)
    @selecting()
    @click.pass_obj
    def verb(deadline: Any, experiment: str, **names: Any) -> None:
        with _attempt(_plan(experiment), rule, **names) as job:
            from mac.training.run import train

            train(job, deadline)


for _rule, _text in {
    "train_model": "Train the action-chunk dynamics.",
    "train_heads": "Train the reward and success heads.",
    "train_behaviour": "Train the behaviour policy.",
    "train_value": "Train value and critic on imagined rollouts.",
    "train_agent": "Train all parts jointly, or an agent of one stage.",
}.items():
    _training_verb(_rule, _text)


@main.command()
@selecting()
@click.pass_obj
def evaluate(deadline: Any, experiment: str, **names: Any) -> None:
    """Play the episodes of one run, all checkpoints and tasks."""
    with _attempt(_plan(experiment), "evaluate", **names) as job:
        from mac.evaluation.run import evaluate as run

        run(job, deadline)


@main.command()
@selecting()
def diagnose(experiment: str, **names: Any) -> None:
    """Look inside one run: its candidate chunks in numbers, an episode of each task on film."""
    with _attempt(_plan(experiment), "diagnose", **names) as job:
        from mac.evaluation.diagnose import diagnose as run

        run(job)


@main.command()
@click.argument("experiment")
@click.option(
    "--allow-missing", is_flag=True, help="a first look: of what is evaluated so far, as not built"
)
def aggregate(experiment: str, allow_missing: bool) -> None:
    """Reduce an experiment's episodes to scores and intervals."""
    from mac.planning.results import aggregate_inputs

    plan = _plan(experiment)
    with _attempt(plan, "aggregate", remember=not allow_missing) as job:
        from mac.stats.aggregate import EvaluationInput
        from mac.stats.aggregate import aggregate as run

        inputs = aggregate_inputs(plan, experiment)
        evaluations = [EvaluationInput(**fields) for fields in inputs.pop("evaluations")]
        with job.recorded():
            run(evaluations, allow_missing=allow_missing, **inputs)


@main.command()
@click.argument("experiment")
def render(experiment: str) -> None:
    """Render an experiment's tables and figures."""
    from mac.planning.results import render_inputs

    plan = _plan(experiment)
    with _attempt(plan, "render") as job:
        from mac.report.render import RenderConfig
        from mac.report.render import render as run

        inputs = render_inputs(plan, experiment)
        with job.recorded():
            run(config=RenderConfig(**inputs.pop("config")), **inputs)


@main.command()
@click.argument("before", metavar="REV_A")
@click.argument("after", metavar="[REV_B]", required=False)
@click.option("--experiment", "experiments", multiple=True, help="only this one (repeatable)")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "md", "html", "json"]),
    default="text",
    show_default=True,
)
@click.option("--fail-on", type=click.Choice(["worse", "any"]), help="changes that exit with 1")
@click.pass_context
def diff(
    context: click.Context,
    before: str,
    after: str | None,
    experiments: tuple[str, ...],
    kind: str,
    fail_on: str | None,
) -> None:
    """Compare the committed results of two revisions or folders (default: the working tree).

    Exit code 0: nothing beyond noise that --fail-on names; 1: something; 2: not comparable.
    """
    from mac.report.diff import compare
    from mac.report.diff import render as rendered
    from mac.revisions import opened
    from mac.stats.diff import exit_code

    result = compare(opened(before), opened(after), experiments)
    click.echo(rendered(result, kind), nl=False)
    context.exit(exit_code(result, fail_on))


@main.group(cls=Verbs)
def data() -> None:
    """Collect, fetch and build data sets."""


@data.command()
@selecting(seed=False, dataset=True)
@click.option("--shard", type=click.IntRange(min=0), help="only this one (default: one by one)")
@click.option("--workers", default=1, show_default=True, help="processes collecting episodes")
def collect(shard: int | None, workers: int, **names: Any) -> None:
    """Collect episodes with the scripted oracle: DATASET, or what an experiment asks for."""
    jobs = _data("collect", **names)
    if shard is not None and shard >= len(jobs):
        raise MacError("no such shard", key="--shard", found=shard, expected=f"< {len(jobs)}")
    for job in jobs if shard is None else [jobs[shard]]:
        # What is done before ends a command that has one job; here the next one's turn comes.
        with suppress(click.exceptions.Exit), _work(job), job.recorded():
            from mac.data.collect import collect as run

            settings = job.config["data"]
            run(
                job.environment,
                *(job.directory / name for name in job.data_files),
                train_episodes=settings["train_episodes"],
                episode_length=settings["episode_length"],
                seed=settings["seed"],
                workers=workers,
                resume_dir=job.resume,
            )


@data.command()
@selecting(seed=False, dataset=True)
@click.option(
    "--from",
    "place",
    envvar="MAC_DATA_FROM",
    help="address or folder to try before those of configs/datasets",
)
def fetch(place: str | None, **names: Any) -> None:
    """Get released files, or your own of their format: DATASET, or what an experiment asks for.

    DATASET is for instance cube-single-play, or cube-double-play-100m for the shards.
    """
    (job,) = _data("fetch", **names)
    with _work(job, remember=False), job.recorded():  # another time, or place, may have it
        from mac.data.released import fetch_released
        from mac.planning.sources import offered

        fetch_released(job, offered(job, place))


@data.command()
@click.argument("datasets", nargs=-1)
def verify(datasets: tuple[str, ...]) -> None:
    """Read raw files again and compare them with all that is known of them (default: all)."""
    from mac.data.manifest import Manifest
    from mac.data.released import verify as run
    from mac.errors import DataError
    from mac.planning.datasets import environment, raw_folders
    from mac.planning.sources import manifests

    wrong = 0
    for folder, dataset in raw_folders(datasets):
        spec = environment(dataset)
        found = list(run(folder, spec, Manifest(folder.name, manifests())))
        click.echo("\n".join(found) if found else f"{folder}: right")
        wrong += len(found)
    if wrong:
        raise DataError(
            f"not right: {wrong} of the files above",
            remedy="delete each, and fetched.json beside it: what is missing is fetched anew",
        )


@data.command()
@selecting(seed=False, dataset=True)
def build(**names: Any) -> None:
    """Build the memory-mapped store: of DATASET, or of what an experiment asks for."""
    (job,) = _data("build", **names)
    with _work(job), job.recorded() as known:
        from mac.data.build import build as run

        precision = job.config["data"]["precision"]
        known["data"] = run(*job.raw_files, job.environment, job.directory, precision)


@data.command()
@selecting(seed=False, dataset=True)
@click.option("--json", "as_json", is_flag=True, help="machine-readable")
def describe(as_json: bool, dataset: str | None, **names: Any) -> None:
    """Tell what is in a built store: sizes, rewards, successes, coverage, noise, dimensions.

    DATASET is a data set with one store here, or the name of a store's folder.
    """
    from mac.data.describe import describe as run
    from mac.data.describe import text
    from mac.data.store import Store
    from mac.planning.datasets import built

    if dataset is not None:
        folder = built(dataset)
    else:
        (job,) = _data("build", None, **names)
        folder = job.directory
    result = run(Store.open(folder))
    click.echo(json.dumps(result, indent=2) if as_json else text(result))


@data.command()
@selecting(seed=False, dataset=True)
@click.option(
    "--with",
    "places",
    metavar="PLACE",
    multiple=True,
    required=True,
    help="folder with raw files of this data set, or one raw file of any name (repeatable)",
)
@click.option("--json", "as_json", is_flag=True, help="machine-readable")
@click.pass_context
def compare(
    context: click.Context, places: tuple[str, ...], as_json: bool, **names: str | None
) -> None:
    """Compare raw files with others of the same environment, in distribution over episodes.

    One side is what `mac data build` reads: DATASET as it is here, fetched or else collected, or
    what an experiment asks for. The other is all that is in PLACE.

    Exit code 0: no difference found; 1: some; 2: not comparable.
    """
    from mac.data.raw import raw_files
    from mac.data.traits import traits
    from mac.stats.samples import compare as run
    from mac.stats.samples import text

    (job,) = _data("build", **names)
    train, validation = job.raw_files
    sides = ([*train, *validation], raw_files(places, job.environment.dataset))
    (known, ours), (_, theirs) = (traits(files, job.environment) for files in sides)
    result = run(known, ours, theirs)
    click.echo(json.dumps(result, indent=2) if as_json else text(result))
    context.exit(1 if result["differing"] else 0)


@main.command()
@click.argument("experiments", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="machine-readable")
@click.option("--slurm", is_flag=True, help="also the number of first submissions to a cluster")
@click.option(
    "--resources",
    default="workflow/profiles/slurm/resources.yaml",
    show_default=True,
    help="with --slurm: the site's requests, files separated by commas",
)
def plan(experiments: tuple[str, ...], as_json: bool, slurm: bool, resources: str) -> None:
    """Print jobs by rule, downloads, disk and estimated hours (default: the full reproduction)."""
    from mac.planning.cluster import Cluster
    from mac.planning.estimate import estimate, text
    from mac.planning.experiment import listed

    names = list(experiments or listed())
    cluster = Cluster(resources) if slurm else None
    result = estimate(_plan(*names), names, cluster=cluster)
    click.echo(json.dumps(result, indent=2, sort_keys=True) if as_json else text(result))


@main.command()
@click.argument("experiments", nargs=-1, required=True)
def preflight(experiments: tuple[str, ...]) -> None:
    """Refuse long work that this machine cannot do well; the workflow does so before it starts."""
    from mac.planning.estimate import check_gpu, estimate, text, unfinished

    plan = _plan(*experiments)
    check_gpu(unfinished(plan))
    click.echo(text(estimate(plan, list(experiments))), err=True)


@main.command()
@click.argument("names", nargs=-1, required=True)
def clear(names: tuple[str, ...]) -> None:
    """Let jobs that failed for good try again, once the cause is mended.

    NAMES are experiments, or data sets that were collected or built by their own name.
    """
    from mac.planning.datasets import all_jobs, known

    sets = {name for name, _, _ in known()}
    jobs = [job for name in names for job in (all_jobs if name in sets else _plan)(name)]
    found = {job.failure: job for job in jobs if job.failure.exists()}.values()
    for job in found:
        job.failure.unlink(missing_ok=True)
        click.echo(f"may try again: {job.failure.stem}")
    if not found:
        click.echo("nothing has failed for good")


@main.command()
@click.argument("experiments", nargs=-1)
def publish(experiments: tuple[str, ...]) -> None:
    """Hand finished data, stores and stages to DVC (default: those of every experiment)."""
    from mac.planning.experiment import available
    from mac.planning.publish import publish as run

    found = run(_plan(*(experiments or available())))
    click.echo(f"{len(found.folders)} folders are in DVC, their .dvc files in git's index:")
    click.echo("commit them, then `dvc push`")
    for folder, reason in found.left.items():
        click.echo(f"left out: {folder} ({reason})")


@main.command()
def pipeline() -> None:
    """Write dvc.yaml: one stage of DVC for each experiment."""
    from mac.io import atomic_write_text
    from mac.planning.experiment import available
    from mac.planning.pipeline import PIPELINE
    from mac.planning.pipeline import pipeline as text

    atomic_write_text(PIPELINE, text(available()))


@main.command()
@click.argument("experiment")
@click.argument("task", required=False)
@click.argument("agent", required=False)
def trace(experiment: str, task: str | None, agent: str | None) -> None:
    """Print what a number of the table rests on, verifying hashes; names are the table's, or parts.

    Without TASK or AGENT: list what can be traced.
    """
    from mac.stats.trace import BROKEN, text, traceable
    from mac.stats.trace import trace as run

    if task is None or agent is None:
        click.echo("\n".join(traceable(experiment, task or "")))
        return
    links = run(experiment, task, agent)
    click.echo(text(links, experiment))
    if broken := [link.name for link in links if link.state == BROKEN]:
        raise MacError(f"{experiment}: broken: {', '.join(broken)}")


@main.group(cls=Verbs)
def config() -> None:
    """Show configurations."""


@config.command()
@click.argument("experiment")
@click.argument("agent", required=False)
def show(experiment: str, agent: str | None) -> None:
    """Print every value of an experiment's agents with the layer it comes from."""
    from mac.planning.experiment import Experiment

    cells = Experiment(experiment).cells
    labels = dict.fromkeys(cell.label for cell in cells)
    if agent is not None and agent not in labels:
        raise MacError("no such agent in the experiment", key=agent, expected=", ".join(labels))
    for cell in cells:
        if agent not in (None, cell.label):
            continue
        click.echo(f"# {cell.label} on {cell.environment.name}")
        found = cell.resolved
        rows = [(key, json.dumps(found.value(key)), found.origin(key)) for key in found.used]
        widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
        for key, value, layer in rows:
            click.echo(f"{key:{widths[0]}}  {value:{widths[1]}}  {layer}")


@config.command()
@click.argument("key", required=False)
@click.option("--agent", default="mac", show_default=True, help="whose configuration")
def schema(key: str | None, agent: str) -> None:
    """Print the JSON schema of the configuration, or of one KEY: types, bounds, meaning.

    Under `given` stand the values that files give to the agent in place of the defaults, stronger
    ones later; what an experiment makes of them tells `mac config show`.
    """
    from mac.agents.base import agent_class
    from mac.config.load import part_of_schema
    from mac.planning.files import said_of

    chosen = agent_class(agent)
    result = {**part_of_schema(chosen.Config, key), "given": said_of(chosen, key)}
    click.echo(json.dumps(result, indent=2))


@main.group(cls=Verbs)
def bench() -> None:
    """Measure speed; results as JSON."""


@bench.command("train")
@click.option("--agent", default="mac", show_default=True, help="mac, or an agent of one stage")
@click.option("--size", type=click.Choice(["quick", "paper"]), default="quick", show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=None, help="rounds of measurement")
@click.option("--device", default="cpu", show_default=True, help="cpu, or cuda and its number")
@click.option("--json", "as_json", is_flag=True, help="print nothing but JSON")
def bench_train(agent: str, size: str, rounds: int | None, device: str, as_json: bool) -> None:
    """Cost of one update: of MAC beside its matrix products alone, or of another agent.

    Of MAC on a CPU in CPU-seconds, stage by stage; on a GPU in milliseconds, launched and replayed.
    Of an agent that makes something anew between updates (mopo, mobile) the cost of that too, and
    its share. On a CPU the size quick is meant, smaller than the paper's.
    """
    from mac.bench import baseline, gpu, train
    from mac.training.device import choose_device

    where = choose_device(device)
    if agent != "mac":
        kind, result = baseline, baseline.measure(agent, size, rounds, where)
    elif device == "cpu":
        kind, result = train, train.measure(size, rounds)
    else:
        kind, result = gpu, gpu.measure(size, rounds, where)
    if as_json:
        click.echo(json.dumps(result, indent=2, sort_keys=True))
    else:
        click.echo("\n".join(kind.lines(result)))


@bench.command("data")
@click.argument("store", type=click.Path(path_type=Path), required=False)
@click.option("--size", type=click.Choice(["quick", "paper"]), default="quick", show_default=True)
@click.option(
    "--transitions",
    type=click.IntRange(min=1000),
    default=100_000_000,
    show_default=True,
    help="of the store of noise",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="where the store of noise is written, and deleted in the end; here, unless given",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="that each measurement takes",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, or cuda and its number")
def bench_data(
    store: Path | None, size: str, transitions: int, folder: Path, seconds: float, device: str
) -> None:
    """How fast batches come from data that memory cannot hold, or what one of a built STORE costs.

    Without STORE, a store of noise is written, 53 GB for 100M transitions, and read with cold and
    warm caches, beside the disk's own rate, and from memory and from the device. With STORE,
    CPU-milliseconds of a batch and of the update that it is for.
    """
    from mac.bench import data, reading
    from mac.data.store import Store
    from mac.training.device import choose_device

    if store is None:
        result = reading.measure(folder, transitions, seconds, choose_device(device))
    else:
        result = data.measure(Store.open(store), size)
    click.echo(json.dumps(result, indent=2, sort_keys=True))


if __name__ == "__main__":
    sys.exit(main())
