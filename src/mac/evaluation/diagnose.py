"""A look inside one run: its rejection sampling in numbers, and an episode of each task on film."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mac.agents.base import agent_class
from mac.data.store import Store
from mac.evaluation.candidates import diagnose_candidates
from mac.evaluation.episodes import Episode, Player, rules_of
from mac.evaluation.film import film
from mac.io import atomic_write_bytes, write_json
from mac.training.device import memory_errors, prepare
from mac.training.run import load_agent, view

if TYPE_CHECKING:
    from mac.planning.job import Job


@memory_errors()
def diagnose(job: Job) -> None:
    """Write ``diagnostics.json``, a ``.webp`` for each task, and ``run.yaml``.

    The episodes are the first of their tasks in the run's evaluation at its last checkpoint. On a
    machine that cannot draw, there are no films, and a note says so.
    """
    (step,) = job.checkpoints
    config = agent_class(job.agent).Config.model_validate(job.config)
    with job.recorded() as known:
        device = prepare(config.compute)
        known["device"] = str(device)
        agent = load_agent(job, step)
        store = Store.open(job.store)
        candidates = None
        if agent.rejection is not None:
            held_out, data = (
                view("chunks", job, config, store, store.split(s)) for s in ("validation", "train")
            )
            candidates = diagnose_candidates(agent, held_out, data, job.seed, device)
        normalizer = store.normalizer(config.data.normalizer)
        content = {
            "task": job.task,
            "agent": job.agent,
            "seed": job.seed,
            "step": step,
            "fingerprint": job.fingerprint,
            "candidates": candidates,
            "films": _films(job, config, Player(agent, normalizer, device)),
        }
        write_json(job.directory / job.files[0], content)


def _films(job: Job, config: Any, player: Player) -> list[dict[str, Any]]:
    """One entry a task; writes the films."""
    rules, width = rules_of(config, job.seed), config.evaluate.batch_width
    entries = []
    for task, number in job.tasks:
        episode = Episode(task, number, 0)
        row, content, note = film(job.environment, config.mode, width, player, episode, rules)
        if content is not None:
            atomic_write_bytes(job.directory / f"{task}.webp", content)
        kept = {key: row[key] for key in ("task", "episode", "success", "length")}
        entries.append({**kept, "file": None if content is None else f"{task}.webp", "note": note})
    return entries
