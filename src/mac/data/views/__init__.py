"""What agents train on: a split of the data as batches. A stage names its view (``Stage.view``)."""

from __future__ import annotations

from collections.abc import Mapping

from mac.data.views.anchors import Anchors
from mac.data.views.chunks import Chunks
from mac.data.views.outcomes import Outcomes
from mac.data.views.rotation import Rotation
from mac.data.views.sequences import Hierarchy, Plans, Sequences
from mac.data.views.subgoals import Subgoals
from mac.data.views.transitions import Steps, Transitions
from mac.data.views.view import View
from mac.data.views.windows import Windows

__all__ = ["VIEWS", "Anchors", "Chunks", "Hierarchy", "Outcomes", "Plans", "Rotation"]
__all__ += ["Sequences", "Steps", "Subgoals", "Transitions", "View", "Windows"]


VIEWS: Mapping[str, type[View]] = {
    "chunks": Chunks,
    "transitions": Transitions,
    "steps": Steps,
    "subgoals": Subgoals,
    "outcomes": Outcomes,
    "plans": Plans,
    "hierarchy": Hierarchy,
}
