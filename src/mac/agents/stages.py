"""The training stages that agents share: equal configuration slices mean one artefact for all.

A stage's ``revision`` is raised together with any change of its numbers; the golden traces in
``tests/golden`` fail when one moves without the other.
"""

from __future__ import annotations

from mac.agents.base import Stage

_TASK = ("data.normalizer", "mode")
_DATA = ("data.all_anchors",)  # [C]
_GAUSSIAN = ("behaviour.squash", "behaviour.squash_mean", "behaviour.state_dependent_std")

MODEL = Stage(
    "model",
    1,
    ("data.normalizer", "chunk_length", "model"),
    variants=(*_DATA, "model.layer_norm"),
    section="model",
)
HEADS = Stage(
    "heads",
    1,
    (*_TASK, "chunk_length", "chunk_reward", "task_masks", "discount", "goals", "heads"),
    variants=(*_DATA, "heads.layer_norm"),
    scope="task",
    section="heads",
)
BEHAVIOUR = Stage(
    "behaviour",
    1,
    (*_TASK, "chunk_length", "discount", "goals", "behaviour"),
    variants=(*_DATA, "behaviour.layer_norm", *_GAUSSIAN),
    section="behaviour",
)
VALUE = Stage(
    "value",
    1,
    (
        "chunk_length",
        "chunk_reward",
        "task_masks",
        "discount",
        "goals",
        "value",
        "compute.precision",
    ),
    variants=(*_DATA, "value.layer_norm"),
    needs=("model", "heads", "behaviour"),
    scope="task",
    section="value",
)
