"""What a plan will cost: jobs, downloads, disk, hours.

Also the refusal of work that needs a GPU where there is none.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mac.errors import DeviceError
from mac.gpus import visible
from mac.io import read_yaml
from mac.planning.files import config_folders
from mac.planning.job import Job
from mac.planning.plan import Plan
from mac.planning.work import forward, gflop, update
from mac.types import Spaces

if TYPE_CHECKING:
    from mac.agents.base import Stage
    from mac.planning.cluster import Cluster

BYTES = 4  # of a float32
# Networks of MAC's stages by section, as an agent of one stage says of its own.
_NETWORKS = {
    name: {name: (count, 0)}
    for name, count in {"model": 1, "heads": 2, "behaviour": 2, "value": 3}.items()
}


def update_gflop(job: Job) -> float:
    """GFLOP of one update of a training job."""
    members = job.stage.members
    return gflop(update(members, job.config, _spaces(job), joint=bool(job.stage.parts)))


def _spaces(job: Job) -> Spaces:
    env = job.environment
    goal_dim = env.goal_dim if job.config["mode"] == "goal" else 0
    return Spaces(env.observation_dim, goal_dim, env.action_dim)


def rates() -> dict[str, Any]:
    """Measured speeds, from ``configs/rates.yaml``; none without the file."""
    for folder in config_folders():
        if (folder / "rates.yaml").is_file():
            return read_yaml(folder / "rates.yaml")
    return {}


def seconds(job: Job, speeds: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Device and seconds of the parts of a job."""
    config = job.config
    if job.rule.startswith("train_"):
        work = update_gflop(job) * job.steps
        device = "gpu" if job.needs_gpu else "cpu"
        yield device, work / speeds[device]["gflop_per_s"]
    elif job.evaluator == "model_error":
        settings, env, length = config["evaluate"], job.environment, config["chunk_length"]
        rows = settings["windows"] * (settings["horizon"] // length) * len(job.checkpoints)
        inputs = env.observation_dim + length * env.action_dim
        work = forward(rows, inputs, config["model"]["hidden_dims"], env.observation_dim)
        yield "cpu", gflop(work) / speeds["cpu"]["gflop_per_s"]
    elif job.rule == "evaluate":
        episodes = config["evaluate"]["episodes"] * len(job.tasks) * len(job.checkpoints)
        longest = max(job.environment.max_episode_steps, config["evaluate"]["value_horizon"] or 0)
        yield "cpu", episodes * longest / speeds["simulator"]["steps_per_s"]
    elif job.rule == "diagnose":
        steps = len(job.tasks) * job.environment.max_episode_steps
        yield "cpu", steps / speeds["simulator"]["steps_per_s"]
    elif job.rule == "collect":
        steps = config["data"]["train_episodes"] * 1.1 * config["data"]["episode_length"]
        yield "cpu", steps / speeds["collector"]["steps_per_s"]


def _rows(job: Job) -> float:
    """Rows of a data set, or of the one shard that a job collects; validation included."""
    data = job.config["data"]
    per_shard = data["train_episodes"] * (data["episode_length"] + 1) * 1.1
    return per_shard * (1 if job.rule == "collect" else data["shards"])


def _weights(job: Job, stage: Stage) -> float:
    """Numbers in the networks of a stage, their first and last layers left out."""
    if stage.products:
        return sum(k * n for _, k, n in stage.products(job.config, _spaces(job)))
    networks = _NETWORKS[stage.name] if stage.networks is None else stage.networks
    return sum(
        count * sum(a * b for a, b in pairwise(job.config[section]["hidden_dims"]))
        for section, (count, _) in networks.items()
    )


def _bytes(job: Job) -> float:
    """Bytes that a job leaves on disk."""
    env = job.environment
    if job.rule in ("collect", "fetch"):
        return _rows(job) * BYTES * (2 * env.observation_dim + env.action_dim + 1)
    if job.rule == "build":
        width = env.observation_dim + env.action_dim + env.goal_dim + 2 + 2 * env.tasks
        return _rows(job) * BYTES * width
    if job.rule.startswith("train_"):
        weights = sum(_weights(job, stage) for stage in job.stage.members)
        return weights * BYTES * (len(job.checkpoints) + 2)  # the last one holds Adam's moments
    return 0.0


def unfinished(plan: Plan) -> list[Job]:
    """Jobs that must run for the experiments' tables.

    What an existing stamp or checkpoint was made from is not asked for again, nor are evaluations
    whose rows are committed.
    """
    wanted, todo = [job for name in plan.final for job in plan.results(name)], {}
    while wanted:
        job = wanted.pop()
        if job.outputs[0] not in todo and not all(Path(path).exists() for path in job.outputs):
            todo[job.outputs[0]] = job
            wanted += job.needed()
    return [job for job in plan if job.outputs[0] in todo]


def estimate(
    plan: Plan,
    names: Sequence[str],
    todo: Sequence[Job] | None = None,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """Jobs by rule, GB to download and to store, hours by device: of all that is not done yet.

    For a cluster also the number of its first submissions.
    """
    speeds = rates()
    todo = unfinished(plan) if todo is None else todo
    hours: Counter[str] = Counter()
    by_experiment: dict[str, Counter[str]] = {}
    for job in todo:
        own = by_experiment.setdefault(job.experiment, Counter())
        for device, part in seconds(job, speeds):
            hours[device] += part / 3600
            own[device] += part / 3600
    counted = {} if cluster is None else {"submissions": len(cluster.submissions(todo))}
    return {
        "experiments": list(names),
        "jobs": dict(sorted(Counter(job.rule for job in todo).items())),
        "jobs_total": len(todo),
        "jobs_done": len(plan) - len(todo),
        "downloads_gb": round(sum(_bytes(j) for j in todo if j.rule == "fetch") / 1e9, 2),
        "disk_gb": round(sum(_bytes(j) for j in todo) / 1e9, 2),
        "hours": _rounded(hours),
        "hours_by_experiment": {name: _rounded(own) for name, own in by_experiment.items()},
        "no_data": plan.unavailable,
        **counted,
    }


def _rounded(hours: Counter[str]) -> dict[str, float]:
    return {device: round(value, 2) for device, value in sorted(hours.items())}


def text(result: dict[str, Any]) -> str:
    """The estimate as a few lines."""
    lines = [
        f"{', '.join(result['experiments'])}: {result['jobs_total']} jobs to run, "
        f"{result['jobs_done']} done",
        *(f"  {rule:16} {count:6}" for rule, count in result["jobs"].items()),
        f"  downloads {result['downloads_gb']:,.1f} GB, disk {result['disk_gb']:,.1f} GB, "
        f"about {_hours(result['hours'])} hours (rates and their sources: configs/rates.yaml)",
        *_table(result["hours_by_experiment"]),
        *(f"  {n} first submissions" for n in [result.get("submissions")] if n is not None),
        *(f"  no data: {name} ({why})" for name, why in result["no_data"].items()),
    ]
    return "\n".join(lines)


def _table(hours: dict[str, dict[str, float]]) -> list[str]:
    """Hours of several experiments, one a line."""
    if len(hours) < 2:
        return []
    width = max(map(len, hours))
    lines = [f"    {name:{width}}  {_hours(own)}" for name, own in hours.items()]
    return ["  hours by experiment; what several share counts with the first of them:", *lines]


def _hours(hours: dict[str, float]) -> str:
    return ", ".join(f"{value:,.1f} {device.upper()}" for device, value in hours.items()) or "0"


def check_gpu(todo: Sequence[Job]) -> None:
    """Refuse training that needs a GPU on a machine without one, unless ``MAC_INSIST`` is set."""
    training = [job for job in todo if job.rule.startswith("train_") and job.needs_gpu]
    if not training or visible() or os.environ.get("MAC_INSIST"):
        return
    names = dict.fromkeys(job.experiment for job in training)
    speeds = rates()
    work = sum(update_gflop(job) * job.steps for job in training)
    hours = {device: work / speeds[device]["gflop_per_s"] / 3600 for device in ("gpu", "cpu")}
    raise DeviceError(
        f"{', '.join(names)} needs a GPU: about {hours['gpu']:,.0f} GPU-hours, or "
        f"{hours['cpu']:,.0f} hours of one CPU core",
        found="no GPU here",
        remedy="try `snakemake --cores all quick`, or set MAC_INSIST=1 to run it all the same",
    )
