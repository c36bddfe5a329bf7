"""Everything that a comparison of two versions of committed results says."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mac.config.changes import changes
from mac.errors import MacError
from mac.revisions import Tree
from mac.stats.committed import read_all
from mac.stats.diff import diff
from mac.stats.recorded import recorded


def compare(before: Tree, after: Tree, chosen: tuple[str, ...] = ()) -> dict[str, Any]:
    """Everything that a comparison says, as plain values.

    Args:
        before: the earlier version.
        after: the later.
        chosen: names of experiments; all that have results on both sides if empty.

    Raises:
        MacError: if a side lacks a chosen experiment, or the two have no row in common.
        DataError: if a committed file is unreadable or not what its stamp vouches for.
    """
    found = [read_all(tree, chosen) for tree in (before, after)]
    common = [name for name in found[0] if name in found[1]]
    result = diff(*found)
    if not result["cells"] and not result["not_comparable"]:
        raise MacError(
            "no row in common",
            file=f"{before.name} and {after.name}",
            found=" and ".join(", ".join(side) or "nothing" for side in found),
        )
    agents = {
        entry["algorithm"]
        for side in found
        for name in common
        for entry in side[name].summary["agents"].values()
    }
    files = [
        "configs/base.yaml",
        "configs/suites/*.yaml",
        *(f"configs/agents/{name}.yaml" for name in sorted(agents)),
        *(f"configs/experiments/{name}.yaml" for name in common),
    ]
    compared = [[side[name] for name in common] for side in found]
    return result | {
        "before": _described(before),
        "after": _described(after),
        "experiments": common,
        "config": [asdict(change) for change in changes(before, after, files)],
        "recorded_before": recorded(compared[0]),
        "recorded_after": recorded(compared[1]),
    }


def _described(tree: Tree) -> dict[str, str | None]:
    return {"name": tree.name, "commit": tree.commit}
