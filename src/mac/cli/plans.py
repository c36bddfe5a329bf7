"""The verbs of work to be done: how much it is, whether it can be done here, and once more."""

from __future__ import annotations

import json

import click

from mac.cli.jobs import plan_of


@click.command()
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
    result = estimate(plan_of(*names), names, cluster=cluster)
    click.echo(json.dumps(result, indent=2, sort_keys=True) if as_json else text(result))


@click.command()
@click.argument("experiments", nargs=-1, required=True)
def preflight(experiments: tuple[str, ...]) -> None:
    """Refuse long work that this machine cannot do well; the workflow does so before it starts."""
    from mac.planning.estimate import check_gpu, estimate, text, unfinished

    plan = plan_of(*experiments)
    check_gpu(unfinished(plan))
    click.echo(text(estimate(plan, list(experiments))), err=True)


@click.command()
@click.argument("names", nargs=-1, required=True)
def clear(names: tuple[str, ...]) -> None:
    """Let jobs that failed for good try again, once the cause is mended.

    NAMES are experiments, or data sets that were collected or built by their own name.
    """
    from mac.planning.datasets import all_jobs, known

    sets = {name for name, _, _ in known()}
    jobs = [job for name in names for job in (all_jobs if name in sets else plan_of)(name)]
    found = {job.failure: job for job in jobs if job.failure.exists()}.values()
    for job in found:
        job.failure.unlink(missing_ok=True)
        click.echo(f"may try again: {job.failure.stem}")
    if not found:
        click.echo("nothing has failed for good")
