"""Groups of verbs that say what a user got wrong in one line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from mac.errors import MacError, refused

USER_MISTAKE = 2


def _elsewhere() -> str:
    """What most mistakes come from where this folder is not the repository's root."""
    here = Path.cwd()
    if (here / "configs").is_dir():
        return ""
    return f"; looked in {here}, which has no configs/: run mac in the repository's root"


class Verbs(click.Group):
    """Command group that takes dashes for underscores, and prints a user's mistake as one line.

    Rules of the workflow have underscores, so both are understood; the form with dashes is shown.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the verbs, as they are shown."""
        return [name.replace("_", "-") for name in super().list_commands(ctx)]

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
