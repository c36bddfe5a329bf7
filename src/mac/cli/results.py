"""The verbs of finished work: compare, trace, publish."""

from __future__ import annotations

import click

from mac.cli.jobs import plan_of
from mac.errors import MacError


@click.command()
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
    from mac.report.diff.compare import compare
    from mac.report.diff.render import render as rendered
    from mac.revisions import opened
    from mac.stats.diff import exit_code

    result = compare(opened(before), opened(after), experiments)
    click.echo(rendered(result, kind), nl=False)
    context.exit(exit_code(result, fail_on))


@click.command()
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


@click.command()
@click.argument("experiments", nargs=-1)
def publish(experiments: tuple[str, ...]) -> None:
    """Hand finished data, stores and stages to DVC (default: those of every experiment)."""
    from mac.planning.experiment import available
    from mac.planning.publish import publish as run

    found = run(plan_of(*(experiments or available())))
    click.echo(f"{len(found.folders)} folders are in DVC, their .dvc files in git's index:")
    click.echo("commit them, then `dvc push`")
    for folder, reason in found.left.items():
        click.echo(f"left out: {folder} ({reason})")


@click.command()
def pipeline() -> None:
    """Write dvc.yaml: one stage of DVC for each experiment."""
    from mac.io import atomic_write_text
    from mac.planning.experiment import available
    from mac.planning.pipeline import PIPELINE
    from mac.planning.pipeline import pipeline as text

    atomic_write_text(PIPELINE, text(available()))
