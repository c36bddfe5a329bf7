"""The verbs of configurations."""

from __future__ import annotations

import json

import click

from mac.cli.verbs import Verbs
from mac.errors import MacError


@click.group(cls=Verbs)
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
@click.option("--agent", help="whose configuration (default: mac's)")
def schema(key: str | None, agent: str | None) -> None:
    """Print the JSON schema of the configuration, or of one KEY: types, bounds, meaning.

    Under `given` stand the values that files give to the agent in place of the defaults, stronger
    ones later; what an experiment makes of them tells `mac config show`.
    """
    from mac.agents.base import agent_class
    from mac.config.load import part_of_schema
    from mac.planning.agent_file import said_of

    chosen = agent_class(agent or "mac", key="--agent")
    try:
        part = part_of_schema(chosen.Config, key)
    except MacError as error:
        if agent is not None:
            raise
        raise MacError(
            f"{error}; this is mac's configuration, for another's use --agent NAME"
        ) from None
    result = {**part, "given": said_of(chosen, key)}
    click.echo(json.dumps(result, indent=2))
