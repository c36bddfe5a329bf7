"""Verdicts, counts and values in words."""

from __future__ import annotations

from mac.stats.diff import BETTER, IDENTICAL, NOISE, TOO_FEW_SEEDS, WORSE

LONGEST = 60  # characters of a configuration value that are shown
WORDS = {
    WORSE: "worse",
    BETTER: "better",
    NOISE: "within noise",
    IDENTICAL: "identical",
    TOO_FEW_SEEDS: "too few seeds",
}


def short(text: str | None) -> str:
    """A value's text, cut where it is long; empty for an absent one."""
    if text is None:
        return ""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def count(number: int, noun: str) -> str:
    """A number of things, ``2 rows``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
