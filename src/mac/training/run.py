"""From a planned job to trained weights, and from weights back to an agent that acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mac.agents.base import Agent, agent_class
from mac.components.part import Part
from mac.data.store import Split, Store
from mac.data.views import VIEWS, Rotation, View
from mac.nets.mlp import Init
from mac.stopping import Deadline
from mac.training import checkpoint
from mac.training.device import choose_device, memory_errors, prepare_training
from mac.training.resident import chosen
from mac.training.trainer import Settings, Trainer, checkpoint_name
from mac.training.watchers import openers
from mac.training.writers import Opener
from mac.types import Spaces

if TYPE_CHECKING:
    import torch

    from mac.config.schema import AgentConfig
    from mac.planning.job import Job


def build_agent(job: Job) -> Agent:
    """The job's agent with the initial parameters of its seed."""
    cls = agent_class(job.agent)
    config = cls.Config.model_validate(job.config)
    env = job.environment
    goal_dim = env.goal_dim if config.mode == "goal" else 0
    return cls(config, Spaces(env.observation_dim, goal_dim, env.action_dim), Init(job.seed))


def weights_file(job: Job, step: int) -> Path:
    """File with a training job's weights at one of its checkpoints."""
    return job.directory / checkpoint_name(step, job.steps)


def _load(agent: Agent, parts: Mapping[str, Part], path: Path) -> None:
    tensors, _ = checkpoint.load(path)
    checkpoint.load_modules(parts, tensors, path)


def load_agent(job: Job, step: int) -> Agent:
    """The agent as it acted at ``step`` of its last stage, on the job's device, in evaluation mode.

    Parts that the job does not use keep their initial weights.

    Stages before the last one contribute their final weights; under the joint schedule all parts
    are of ``step``.
    """
    agent = build_agent(job)
    device = choose_device(agent.config.compute.device)
    if "joint" in job.upstream:
        _load(agent, agent.parts, weights_file(job.upstream["joint"], step))
    else:
        last = next(reversed(agent.acts_with), None)
        for name in agent.parts.keys() & job.upstream.keys():
            source = job.upstream[name]
            at = step if name == last else source.steps
            _load(agent, {name: agent.parts[name]}, weights_file(source, at))
    for part in agent.parts.values():
        part.to(device).eval()
    return agent


def view(name: str, job: Job, config: AgentConfig, store: Store, split: Split) -> View:
    """A view of a split of a store, by its name in :mod:`mac.data.views`."""
    make = partial(
        VIEWS[name].configured,
        config,
        normalizer=store.normalizer(config.data.normalizer),
        task=job.task_number or 1,  # stages shared by all tasks never look at rewards
    )
    if config.data.shard_schedule == "uniform" or len(split.files) == 1:
        return make(split)
    return Rotation(make, split.shards(), config.data.shard_interval)


@memory_errors()
def train(job: Job, deadline: Deadline | None = None) -> None:
    """Train one stage, or all jointly, and write its weights, ``metrics.csv`` and ``run.yaml``.

    Raises:
        Interrupted: a signal came, or the deadline; a later call goes on from the saved state.
    """
    agent = build_agent(job)
    watchers = openers(agent.config.compute.writers, job.directory, job.config)
    with job.recorded() as known:
        device = prepare_training(agent.config.compute)
        known["device"] = str(device)
        _train(job, agent, device, watchers, deadline)


def _train(
    job: Job,
    agent: Agent,
    device: torch.device,
    watchers: Sequence[Opener],
    deadline: Deadline | None,
) -> None:
    config = agent.config
    store = Store.open(job.store)
    for name in job.stage.needs:
        source = job.upstream[name]
        _load(agent, {name: agent.parts[name]}, weights_file(source, source.steps))
    trained = {stage.name: agent.parts[stage.name] for stage in job.stage.members}
    for name, part in agent.parts.items():
        part.to(device)
        if name not in trained:
            part.requires_grad_(False).eval()
    section = getattr(config, job.stage.section) if job.stage.section else config
    whole = store.split("train")
    kept = chosen(whole, config, device)
    settings = Settings(
        name=job.stage.name,
        seed=job.seed,
        steps=job.steps,
        batch_size=section.batch_size or config.batch_size,
        optimiser=section.optimiser or config.optimiser,
        device=device,
        checkpoints=tuple(job.checkpoints),
        validate_every=getattr(section, "validate_every", 0),
        keep=getattr(section, "keep", "last"),
        lagged_target=config.lagged_target,
        log_every=max(1, job.steps // 200),
        save_every_s=config.compute.save_every_s,
        # On a CPU a thread would take turns with the update; on the device there are only row
        # numbers to draw, and a second thread's copies would spoil the recording of the update.
        draw_ahead=device.type != "cpu" and kept is whole,
    )
    seen = partial(view, job.stage.view, job, config, store)
    held_out = seen(store.split("validation")) if settings.validate_every else None
    data = seen(kept)
    Trainer(trained, settings, data, held_out, job.directory, job.resume, watchers, deadline).run()
