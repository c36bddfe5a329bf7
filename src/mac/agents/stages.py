"""The training stages that agents share: equal configuration slices mean one artefact for all.

A stage's ``revision`` is raised together with any change of its numbers; the golden traces in
``tests/golden`` fail when one moves without the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mac import components as c
from mac.agents.base import Stage

if TYPE_CHECKING:
    from mac.components.part import Part
    from mac.config.schema import ChunkedConfig
    from mac.nets.mlp import Init
    from mac.types import Spaces

_TASK = ("data.normalizer", "mode")
_OPTIONS = (
    *("data.all_anchors", "data.shard_schedule", "data.shard_interval"),
    "compute.tf32",
)
_GAUSSIAN = ("behaviour.squash", "behaviour.squash_mean", "behaviour.state_dependent_std")
# Goals are drawn in goal mode alone, those of the value functions before those of the behaviour; a
# geometric distance along the trajectory depends on the discount.
_VALUE_GOALS = ("discount", "goals.value")


def make_model(spaces: Spaces, config: ChunkedConfig, init: Init) -> Part:
    """Action-chunk dynamics."""
    n, cfg = config.chunk_length, config.model
    return c.Dynamics(spaces, n, cfg.hidden_dims, init, layer_norm=cfg.layer_norm)


def make_heads(spaces: Spaces, config: ChunkedConfig | Any, init: Init) -> Part:
    """Reward regressor and success classifier of chunks, or single steps where a chunk is one."""
    n, cfg = config.chunk_length, config.heads
    return c.Outcome(
        spaces,
        n,
        cfg.hidden_dims,
        init,
        layer_norm=cfg.layer_norm,
        negative=config.goals.negative,
    )


def make_behaviour(spaces: Spaces, config: ChunkedConfig, init: Init) -> Part:
    """Behaviour policy over chunks."""
    return c.behaviour.make(spaces, config, init)


MODEL = Stage(
    "model",
    1,
    ("data.normalizer", "chunk_length", "model"),
    make=make_model,
    variants=(*_OPTIONS, "model.layer_norm"),
    section="model",
)
HEADS = Stage(
    "heads",
    1,
    (*_TASK, "chunk_length", "heads"),
    {
        "reward": ("discount", "chunk_reward", "task_masks"),
        "goal": (*_VALUE_GOALS, "goals.negative"),
    },
    make=make_heads,
    variants=(*_OPTIONS, "heads.layer_norm"),
    scope="task",
    section="heads",
)
BEHAVIOUR = Stage(
    "behaviour",
    1,
    (*_TASK, "chunk_length", "behaviour"),
    {"goal": (*_VALUE_GOALS, "goals.actor")},
    make=make_behaviour,
    variants=(*_OPTIONS, "behaviour.layer_norm", *_GAUSSIAN),
    section="behaviour",
)
# Without ``make``: an agent's value learner follows the agent's own acting rule.
VALUE = Stage(
    "value",
    1,
    ("chunk_length", "discount", "value", "compute.precision"),
    {"goal": _VALUE_GOALS},
    variants=(*_OPTIONS, "value.layer_norm"),
    needs=("model", "heads", "behaviour"),
    scope="task",
    section="value",
    checkpoints="value.checkpoint_every",
)


def whole(
    *reads: str,
    view: str,
    networks: Mapping[str, tuple[int, int]],
    revision: int = 1,
    variants: tuple[str, ...] = (),
) -> Stage:
    """The stage ``agent`` of an agent whose networks learn together and which shares none of them.

    Args:
        reads: keys and sections beyond those that every such stage depends on.
        view: see :class:`Stage`.
        networks: see :class:`Stage`.
        revision: see :class:`Stage`.
        variants: see :class:`Stage`.
    """
    return Stage(
        "agent",
        revision,
        (*_TASK, "steps", "batch_size", "optimiser", "checkpoint_every", "discount", *reads),
        {"goal": ("goals.value", "goals.actor", "goals.negative")},
        variants=(*_OPTIONS, *variants),
        scope="task",
        view=view,
        checkpoints="checkpoint_every",
        networks=networks,
    )
