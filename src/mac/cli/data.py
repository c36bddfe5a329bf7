"""The verbs of data sets."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import click

from mac.cli.jobs import data_jobs_of, selecting, work
from mac.cli.verbs import Verbs
from mac.errors import MacError


@click.group(cls=Verbs)
def data() -> None:
    """Collect, fetch and build data sets."""


@data.command()
@selecting(seed=False, dataset=True)
@click.option("--shard", type=click.IntRange(min=0), help="only this one (default: one by one)")
@click.option("--workers", default=1, show_default=True, help="processes collecting episodes")
def collect(shard: int | None, workers: int, **names: Any) -> None:
    """Collect episodes with the scripted oracle: DATASET, or what an experiment asks for."""
    jobs = data_jobs_of("collect", **names)
    if shard is not None and shard >= len(jobs):
        raise MacError("no such shard", key="--shard", found=shard, expected=f"< {len(jobs)}")
    for job in jobs if shard is None else [jobs[shard]]:
        # What is done before ends a command that has one job; here the next one's turn comes.
        with suppress(click.exceptions.Exit), work(job), job.recorded():
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
    (job,) = data_jobs_of("fetch", **names)
    with work(job, remember=False), job.recorded():  # another time, or place, may have it
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
    (job,) = data_jobs_of("build", **names)
    with work(job), job.recorded() as known:
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
        (job,) = data_jobs_of("build", None, **names)
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

    (job,) = data_jobs_of("build", **names)
    train, validation = job.raw_files
    sides = ([*train, *validation], raw_files(places, job.environment.dataset))
    (known, ours), (_, theirs) = (traits(files, job.environment) for files in sides)
    result = run(known, ours, theirs)
    click.echo(json.dumps(result, indent=2) if as_json else text(result))
    context.exit(1 if result["differing"] else 0)
