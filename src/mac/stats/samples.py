"""Whether two samples of episodes are of one distribution, judged trait by trait.

The unit is the episode, as rows of one episode depend on each other. Every trait is compared by the
two-sample test of Kolmogorov and Smirnov, which needs no assumption on its distribution and only
errs on the safe side where values are tied; Holm's method makes LEVEL the probability of any false
alarm, however the traits hang together.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import count
from math import comb
from typing import Any

import numpy as np
from scipy import stats

from mac.errors import DataError
from mac.stats.change import holm

LEVEL = 0.01  # probability that equal distributions are told apart
SHOWN = 20  # rows of the table where nothing differs


def compare(traits: Sequence[str], ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """Differences between two samples, largest first, as plain values.

    Args:
        traits: (K,) names.
        ours: (E, K), an episode a row.
        theirs: (E', K).

    Raises:
        DataError: some episodes are in both, or there are too few to tell anything apart.
    """
    both = {row.tobytes() for row in ours} & {row.tobytes() for row in theirs}
    if both:
        raise DataError(
            "samples must be independent",
            found=f"{len(both)} episodes that are on both sides",
            expected="none; equal files or equal seeds tell nothing of how episodes are made",
        )
    share = LEVEL / len(traits)  # of the most significant trait
    if _least(len(ours), len(theirs)) > share:
        enough = next(n for n in count(2) if _least(n, n) <= share)
        raise DataError(
            "too few episodes to tell any difference",
            found=f"{len(ours)} and {len(theirs)}",
            expected=f"for instance {enough} and {enough}",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where exact sums fail, the limit law does
        found = stats.ks_2samp(ours, theirs, axis=0)
    adjusted = holm(found.pvalue)
    order = np.argsort(-found.statistic, kind="stable")
    effective = len(ours) * len(theirs) / (len(ours) + len(theirs))
    return {
        "episodes": [len(ours), len(theirs)],
        "level": LEVEL,
        "detectable": float(stats.kstwo.isf(share, round(effective))),
        "differing": int((adjusted <= LEVEL).sum()),
        "traits": [
            {
                "trait": traits[index],
                "distance": float(found.statistic[index]),
                "p_value": float(found.pvalue[index]),
                "adjusted_p_value": float(adjusted[index]),
                "means": [float(side[:, index].mean()) for side in (ours, theirs)],
            }
            for index in order
        ],
    }


def _least(ours: int, theirs: int) -> float:
    """P-value of two samples that do not overlap: none can be less."""
    return 2 / comb(ours + theirs, ours)


def text(found: dict[str, Any]) -> str:
    """A comparison as lines: what differs, and at least the largest distances."""
    traits, differing = found["traits"], found["differing"]
    shown = traits[: max(SHOWN, differing)]
    width = max(len(one["trait"]) for one in shown)
    ours, theirs = found["episodes"]
    lines = [
        f"{'differ' if differing else 'no difference found'}: {differing} of {len(traits)} traits, "
        f"{ours:,} episodes against {theirs:,}, Holm's method at level {found['level']:g}",
        f"so many episodes show distances from about {found['detectable']:.2f} on",
        "",
        f"  {'':{width}}{'distance':>10}{'p (Holm)':>10}{'our mean':>13}{'their mean':>13}",
    ]
    for one in shown:
        lines.append(
            f"{'*' if one['adjusted_p_value'] <= found['level'] else ' '} {one['trait']:{width}}"
            f"{one['distance']:10.3f}{one['adjusted_p_value']:10.1g}"
            + "".join(f"{mean:13.4g}" for mean in one["means"])
        )
    if left := traits[len(shown) :]:
        lines.append(f"  and {len(left)} more of at most {left[0]['distance']:.3f}")
    return "\n".join(lines)
