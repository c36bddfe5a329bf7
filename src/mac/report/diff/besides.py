"""What differs beside the numbers, and why rows are not compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mac.report.diff.rows import row_name
from mac.report.diff.words import count, short

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Item:
    """Something that differs: what it is, and its text on either side (empty for absent)."""

    what: str
    before: str = ""
    after: str = ""


def sections(result: Mapping[str, Any]) -> list[tuple[str, list[Item]]]:
    """What else differs: configuration, code, data, packages, time, rows of one side only."""
    config = [
        Item(f"{c['file']} {c['key']}", short(c["before"]), short(c["after"]))
        for c in result["config"]
    ]
    code = [*_commits(result), *_recorded(result, "revisions", "revision of ", "same revisions")]
    data = _recorded(result, "data")
    if number := result["data_not_recorded"]:
        data.append(Item(f"{count(number, 'compared row')}: data known by name only"))
    found = [
        ("Configuration", config or [Item("no value differs")]),
        ("Code", code),
        ("Data", data),
        ("Packages", _recorded(result, "packages")),
        ("Time", _time(result)),
    ]
    for side in ("before", "after"):
        if rows := result[f"only_{side}"]:
            found.append((f"Only in {result[side]['name']}", _grouped(rows)))
    return found


def _commits(result: Mapping[str, Any]) -> list[Item]:
    found = [result[f"recorded_{side}"]["commits"] for side in ("before", "after")]
    return [Item("commits of the runs", *("/".join(ids) or NOT_RECORDED for ids in found))]


def _recorded(
    result: Mapping[str, Any], kind: str, prefix: str = "", none: str = "no difference"
) -> list[Item]:
    """Entries of one kind that both sides recorded with other values; which side has none."""
    one, other = (result[f"recorded_{side}"][kind] for side in ("before", "after"))
    names = [result[side]["name"] for side in ("before", "after")]
    if missing := [name for name, side in zip(names, (one, other), strict=True) if not side]:
        return [Item(f"{NOT_RECORDED} in {' and '.join(missing)}")]
    differing = [
        Item(prefix + name, "/".join(one[name]), "/".join(other[name]))
        for name in one
        if name in other and one[name] != other[name]
    ]
    return differing or [Item(none)]


def _time(result: Mapping[str, Any]) -> list[Item]:
    """Hours by rule, of all runs behind the results; a GPU's hours where one was used."""
    one, other = (result[f"recorded_{side}"]["time"] for side in ("before", "after"))
    rules = sorted({*one, *other})
    found = [Item(rule, _hours(one, rule), _hours(other, rule)) for rule in rules]
    return found or [Item(NOT_RECORDED)]


def _hours(times: Mapping[str, Mapping[str, float]], rule: str) -> str:
    if rule not in times:
        return "" if times else NOT_RECORDED
    time = times[rule]
    device = f"{time['gpu_hours']:.2f} GPU-hours, " if time["gpu_hours"] else ""
    return (
        f"{count(int(time['jobs']), 'job')}, {device}{time['cpu_hours']:.2f} core-hours,"
        f" {time['wall_hours']:.2f} hours"
    )


def _grouped(rows: Iterable[Mapping[str, Any]]) -> list[Item]:
    number: dict[str, int] = {}
    for row in rows:
        name = f"{row['experiment']}, {row['agent']}"
        number[name] = number.get(name, 0) + 1
    return [Item(f"{name}: {count(rows, 'row')}") for name, rows in number.items()]


def refused(result: Mapping[str, Any]) -> list[tuple[list[Item], list[str]]]:
    """Reasons, and the names of the rows that they keep from being compared."""
    groups: dict[tuple[Item, ...], list[str]] = {}
    for entry in result["not_comparable"]:
        reasons = tuple(Item(**reason) for reason in entry["reasons"])
        groups.setdefault(reasons, []).append(f"{row_name(entry, True)}, {entry['agent']}")
    return [(list(reasons), rows) for reasons, rows in groups.items()]
