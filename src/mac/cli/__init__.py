"""The `mac` command: each verb parses, finds the job in the plan, and calls one function."""

from __future__ import annotations

import os

import click

from mac.cli import bench, config, data, plans, results, runs
from mac.cli.verbs import USER_MISTAKE, Verbs

__all__ = ["USER_MISTAKE", "main"]

# Jobs run side by side, and sums split over threads round differently: threads are the
# configuration's business, which sets those of torch. NumPy's libraries read these when first
# imported.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


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


for _command in (
    *runs.TRAINING,
    *(runs.evaluate, runs.diagnose, runs.aggregate, runs.render),
    *(plans.plan, plans.preflight, plans.clear),
    *(results.diff, results.trace, results.publish, results.pipeline),
    *(data.data, config.config, bench.bench),
):
    main.add_command(_command)
