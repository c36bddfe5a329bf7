"""The verbs that measure speed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mac.cli.verbs import Verbs


@click.group(cls=Verbs)
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
def benchdata_jobs_of(
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
