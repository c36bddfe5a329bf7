"""What is told of how the settings behind a number were found."""

from __future__ import annotations

from typing import Any

from mac.config.schema import SHARED
from mac.planning.experiment import Cell
from mac.planning.reads import ACTING


def told_tuning(cell: Cell) -> dict[str, Any] | None:
    """How the cell's settings were found, as plain values; None where nothing is told.

    ``changed`` are settings of training or acting that this does not hold of.
    """
    if cell.tuning is None:
        return None
    stages, mode = cell.agent.stages, cell.resolved.config.mode
    reads = {*cell.agent.act_reads, *ACTING, *(SHARED if stages else ())}
    reads |= {key for stage in stages for key in (*stage.keys(mode), *stage.variants)}
    counted = cell.changed - {stage.checkpoints for stage in stages}  # when to look is no setting
    changed = [k for k in counted if k in reads or k.startswith(tuple(f"{r}." for r in reads))]
    return cell.tuning.model_dump() | ({"changed": sorted(changed)} if changed else {})
