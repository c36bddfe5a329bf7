"""A comparison as text, Markdown (for a pull request), HTML and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mac.report.diff.besides import refused, sections
from mac.report.diff.rows import FORMS, bars, by_measure, table
from mac.report.diff.words import WORDS, count
from mac.report.fill import fill
from mac.stats.change import POOLED_SHARE
from mac.stats.diff import BETTER, IDENTICAL, NOISE, TOO_FEW_SEEDS, WORSE

FORMATS = ("text", "md", "html", "json")


def render(result: Mapping[str, Any], kind: str) -> str:
    """The comparison in one of ``FORMATS``; equal results give equal text."""
    if kind == "json":
        return json.dumps(result, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    rows = [*result["pooled"], *result["cells"]]
    moved = [entry for entry in rows if entry["verdict"] in (WORSE, BETTER)]
    shown = [*result["pooled"], *(entry for entry in moved if "task" in entry)]
    other = [entry for entry in rows if entry["verdict"] != IDENTICAL]
    content = {
        "headline": headline(result),
        "counts": counts(result),
        "before": result["before"],
        "after": result["after"],
        "all": [(table(result, own), bars(own)) for own in by_measure(rows)],
        "other": [table(result, own) for own in by_measure(other)],
        "moved": [table(result, own) for own in by_measure(shown)],
        "sections": sections(result),
        "refused": refused(result),
        "notes": notes(result),
    }
    return fill(f"diff.{'txt' if kind == 'text' else kind}.j2", content)


def headline(result: Mapping[str, Any]) -> str:
    """The verdict in a few words."""
    if not result["cells"]:
        return "Not comparable"
    found = {
        verdict: sum(entry["verdict"] == verdict for entry in result["cells"])
        for verdict in (WORSE, BETTER, IDENTICAL)
    }
    said = [
        f"{count(found[verdict], 'row')} {verdict}" for verdict in (WORSE, BETTER) if found[verdict]
    ]
    said += [
        f"{FORMS[entry['measure']].average(entry['difference'])} {entry['verdict']} on average"
        for entry in result["pooled"]
        if entry["verdict"] != NOISE
    ]
    if said:
        return f"{', '.join(said)}: beyond noise"
    if found[IDENTICAL] == len(result["cells"]):
        return "Identical results"
    return "Nothing moved beyond noise" if result["tested"] else "Too few seeds to judge"


def counts(result: Mapping[str, Any]) -> str:
    """How many rows were compared, and how many were not and why."""
    verdicts = [entry["verdict"] for entry in result["cells"]]
    parts = [f"{count(len(verdicts), 'row')} compared, {result['tested']} tested"]
    for verdict in (IDENTICAL, TOO_FEW_SEEDS):
        if number := verdicts.count(verdict):
            parts.append(f"{number} {WORDS[verdict]}")
    if number := len(result["not_comparable"]):
        parts.append(f"{number} not comparable")
    for side in ("before", "after"):
        if number := len(result[f"only_{side}"]):
            parts.append(f"{number} only in {result[side]['name']}")
    return ", ".join(parts)


def notes(result: Mapping[str, Any]) -> list[str]:
    """What the numbers mean: tests, levels, families."""
    found = []
    cells = result["cells"]
    forms = [FORMS[own[0]["measure"]] for own in by_measure(cells)]
    if result["tested"]:
        share, rest = 100 * POOLED_SHARE * result["alpha"], 100 * result["alpha"]
        family = f"Holm over {count(result['tested'], 'row')}"
        if result["pooled"]:
            several = len(result["pooled"]) > 1
            tests, have = ("tests", "have") if several else ("test", "has")
            once = "all pooled tests are" if several else "the pooled test is"
            family = (
                f"the pooled {tests} {have} {share:g} %, {family} the other {rest - share:g} %"
                f" ({rest:g} % once {once} significant)"
            )
        found += [
            f"Differences are after minus before, in {' and '.join(form.unit for form in forms)};"
            f" each 95 % interval is the row's own. Beyond noise: {rest:g} % for any false alarm in"
            f" the whole comparison; {family}.",
            "Paired: Student's t on the seeds' differences, where each seed's runs share a trained"
            " stage or evaluation. Welch: otherwise. Neither takes less spread than the episodes"
            " alone account for. P(better): probability that a later run beats an earlier one.",
        ]
    found += [form.note for form in forms if form.note]
    again = [
        entry for entry in cells if entry["same_fingerprints"] and entry["verdict"] != IDENTICAL
    ]
    if again:
        found.append(
            f"{count(len(again), 'row')} with equal fingerprints and other values: not"
            " deterministic, or code changed without a new revision."
        )
    return found
