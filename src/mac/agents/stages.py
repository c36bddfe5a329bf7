"""The training stages that agents share: equal configuration slices mean one artefact for all.

A stage's ``revision`` is raised together with any change of its numbers; the golden traces in
``tests/golden`` fail when one moves without the other.
"""

from __future__ import annotations

from mac.agents.base import Stage

_TASK = ("data.normalizer", "mode")
_DATA = ("data.all_anchors",)  # [C]

MODEL = Stage(
    "model", 1, ("data.normalizer", "chunk_length", "model"), variants=_DATA, section="model"
)
HEADS = Stage(
    "heads",
    1,
    (*_TASK, "chunk_length", "chunk_reward", "task_masks", "discount", "goals", "heads"),
    variants=_DATA,
    scope="task",
    section="heads",
)
BEHAVIOUR = Stage(
    "behaviour",
    1,
    (*_TASK, "chunk_length", "discount", "goals", "behaviour"),
    variants=_DATA,
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
    variants=_DATA,
    needs=("model", "heads", "behaviour"),
    scope="task",
    section="value",
)
