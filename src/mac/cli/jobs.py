"""From options to a job of the plan, and how a command holds a job while it works at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import click


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


def plan_of(*experiments: str) -> Any:
    """Plan of these experiments."""
    from mac.planning.plan import Plan

    return Plan(experiments)


@contextmanager
def attempt(plan: Any, rule: str, *, remember: bool = True, **names: Any) -> Iterator[Any]:
    """The job of a plan that these options name, held against its doubles while it is worked at.

    A command whose work is done, perhaps by a double that it had to wait for, ends here; tables,
    which take seconds, are made as often as one asks. So does a job that has failed for good, which
    is to ``remember`` where the command does what the job says, and nothing else decides.
    """
    with work(plan.find(rule, **names), remember=remember) as job:
        yield job


def data_jobs_of(rule: str, dataset: str | None, experiment: str | None, **names: Any) -> list[Any]:
    """The jobs that bring or build a data set, by its name or by an experiment that uses it."""
    from mac.planning.datasets import data_jobs, store_of

    if dataset is not None:
        return [store_of(dataset)] if rule == "build" else data_jobs(dataset, rule)
    if experiment is not None and names["task"] is not None:
        plan = plan_of(experiment)
        return plan.find_all(rule, **names) if rule == "collect" else [plan.find(rule, **names)]
    raise click.UsageError("name a DATASET, or --experiment and --task")


@contextmanager
def work(job: Any, *, remember: bool = True) -> Iterator[Any]:
    """A job, held against its doubles; see :func:`attempt`."""
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
        if not again:  # tables tell of all that they lack, and may be asked for without it
            job.require_inputs()
        if remember:
            held.enter_context(remembered(job.failure, job.reads, remedy=remedy))
        if gpus(job) and not job.config["compute"]["device"].startswith("cuda:"):
            held.enter_context(claimed())
        try:
            yield job
        except MemoryError as error:
            raise exhausted(job, error) from None
