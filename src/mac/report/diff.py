"""Two versions of committed results as text, Markdown (for a pull request), HTML and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mac.config.changes import changes
from mac.errors import MacError
from mac.report.cells import (
    MINUS,
    Cell,
    Column,
    Row,
    Table,
    interval,
    magnitude,
    percent,
    plain,
    points,
)
from mac.report.fill import fill
from mac.revisions import Tree
from mac.stats.change import POOLED_SHARE
from mac.stats.committed import read_all
from mac.stats.diff import BETTER, IDENTICAL, NOISE, TOO_FEW_SEEDS, WORSE, diff
from mac.stats.names import short_task
from mac.stats.recorded import recorded
from mac.stats.sides import MEASURES, PredictionError, Rate

FORMATS = ("text", "md", "html", "json")
NOT_RECORDED = "not recorded"
LONGEST = 60  # characters of a configuration value that are shown
WORDS = {
    WORSE: "worse",
    BETTER: "better",
    NOISE: "within noise",
    IDENTICAL: "identical",
    TOO_FEW_SEEDS: "too few seeds",
}


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


@dataclass(frozen=True)
class Item:
    """Something that differs: what it is, and its text on either side (empty for absent)."""

    what: str
    before: str = ""
    after: str = ""


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
        "all": [(table(result, own), _bars(own)) for own in _by_measure(rows)],
        "other": [table(result, own) for own in _by_measure(other)],
        "moved": [table(result, own) for own in _by_measure(shown)],
        "sections": sections(result),
        "refused": refused(result),
        "notes": notes(result),
    }
    return fill(f"diff.{'txt' if kind == 'text' else kind}.j2", content)


def _by_measure(entries: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Entries that stand in one table, since their numbers are of one kind."""
    groups = [[entry for entry in entries if entry["measure"] == name] for name in MEASURES]
    return [group for group in groups if group]


def headline(result: Mapping[str, Any]) -> str:
    """The verdict in a few words."""
    if not result["cells"]:
        return "Not comparable"
    found = {
        verdict: sum(entry["verdict"] == verdict for entry in result["cells"])
        for verdict in (WORSE, BETTER, IDENTICAL)
    }
    said = [
        f"{_count(found[verdict], 'row')} {verdict}"
        for verdict in (WORSE, BETTER)
        if found[verdict]
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
    parts = [f"{_count(len(verdicts), 'row')} compared, {result['tested']} tested"]
    for verdict in (IDENTICAL, TOO_FEW_SEEDS):
        if number := verdicts.count(verdict):
            parts.append(f"{number} {WORDS[verdict]}")
    if number := len(result["not_comparable"]):
        parts.append(f"{number} not comparable")
    for side in ("before", "after"):
        if number := len(result[f"only_{side}"]):
            parts.append(f"{number} only in {result[side]['name']}")
    return ", ".join(parts)


@dataclass(frozen=True)
class Form:
    """How numbers of one measure are printed.

    Attributes:
        title: of the table.
        scores: heading of its first column: what the values are.
        value: a value.
        change: heading of the differences.
        unit: of the differences.
        average: a pooled difference in words, before its direction.
        note: on what the values are.
    """

    title: str
    scores: str
    value: Callable[[float | None], str]
    change: str
    unit: str
    average: Callable[[float], str]
    note: str = ""


FORMS = {
    Rate.measure: Form(
        "Success rates",
        "success, %",
        percent,
        "difference",
        "percentage points",
        lambda difference: f"{percent(abs(difference))} points",
    ),
    PredictionError.measure: Form(
        "Prediction errors",
        "squared error",
        magnitude,
        "change, %",
        "percent of the earlier error",
        lambda difference: f"prediction errors {points(difference)} %,",
        "Prediction errors: geometric means over seeds of the squared error at the end of each"
        " third of the horizon; seeds are compared by logarithms, more is worse, and these rows"
        " share the error rate with all others.",
    ),
}


def table(result: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Table:
    """Rows of one measure with both means, difference, interval and verdict; pooled tests first."""
    measure = entries[0]["measure"]
    form = FORMS[measure]
    titles = ("before", "after", form.change, "95 %", "P(better)", "p, adjusted")
    columns = (
        Column(form.scores, "l"),
        Column("agent", "l"),
        Column("verdict", "l"),
        *map(Column, titles),
        Column("test, seeds", "l"),
    )
    rows = []
    several = len(result["experiments"]) > 1
    for entry in entries:
        verdict = entry["verdict"]
        word = Cell(WORDS[verdict], bold=verdict in (WORSE, BETTER), muted=verdict == IDENTICAL)
        change = (
            Cell(points(entry["difference"])),
            interval(entry, form=points),
        )
        p_value = Cell(_p_value(entry["adjusted_p_value"]))
        if "task" not in entry:
            label = f"mean of {entry['cells']} tested rows ({entry['mode']})"
            cells = (Cell(label), Cell(), word, Cell(), Cell(), *change, Cell(), p_value, Cell())
            rows.append(Row(cells, "overall"))
            continue
        cells = (
            Cell(row_name(entry, several)),
            Cell(entry["agent"]),
            word,
            Cell(form.value(entry["before"])),
            Cell(form.value(entry["after"])),
            *change,
            Cell(plain(entry["probability_of_improvement"])),
            p_value,
            Cell(f"{entry['test'] or ''} {entry['seeds_before']}/{entry['seeds_after']}".strip()),
        )
        rows.append(Row(cells, "task", entry["environment"]))
    return Table(measure.replace(" ", "-"), form.title, columns, tuple(rows))


def row_name(entry: Mapping[str, Any], with_experiment: bool) -> str:
    """A row's name as in the tables, with its experiment where there are several."""
    name = f"{entry['environment']}, {short_task(entry['task'])}"
    if entry["horizon"] is not None:
        name += f", {entry['horizon']} steps ahead"
    return f"{entry['experiment']}: {name}" if with_experiment else name


def _p_value(value: float | None) -> str:
    if value is None:
        return MINUS
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _bars(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, float] | None]:
    """Each row's interval and difference on a scale from 0 to 100, 50 being no change."""
    entries = list(entries)
    ends = [abs(e[key]) for e in entries for key in ("ci_low", "ci_high") if e[key] is not None]
    reach = max([0.05, *ends])

    def place(value: float) -> float:
        return round(50.0 + 50.0 * value / reach, 1)

    return [
        None
        if entry["ci_low"] is None
        else {
            "low": place(entry["ci_low"]),
            "high": place(entry["ci_high"]),
            "at": place(entry["difference"]),
        }
        for entry in entries
    ]


def sections(result: Mapping[str, Any]) -> list[tuple[str, list[Item]]]:
    """What else differs: configuration, code, data, packages, time, rows of one side only."""
    config = [
        Item(f"{c['file']} {c['key']}", _short(c["before"]), _short(c["after"]))
        for c in result["config"]
    ]
    code = [*_commits(result), *_recorded(result, "revisions", "revision of ", "same revisions")]
    data = _recorded(result, "data")
    if number := result["data_not_recorded"]:
        data.append(Item(f"{_count(number, 'compared row')}: data known by name only"))
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
        f"{_count(int(time['jobs']), 'job')}, {device}{time['cpu_hours']:.2f} core-hours,"
        f" {time['wall_hours']:.2f} hours"
    )


def _grouped(rows: Iterable[Mapping[str, Any]]) -> list[Item]:
    number: dict[str, int] = {}
    for row in rows:
        name = f"{row['experiment']}, {row['agent']}"
        number[name] = number.get(name, 0) + 1
    return [Item(f"{name}: {_count(count, 'row')}") for name, count in number.items()]


def refused(result: Mapping[str, Any]) -> list[tuple[list[Item], list[str]]]:
    """Reasons, and the names of the rows that they keep from being compared."""
    groups: dict[tuple[Item, ...], list[str]] = {}
    for entry in result["not_comparable"]:
        reasons = tuple(Item(**reason) for reason in entry["reasons"])
        groups.setdefault(reasons, []).append(f"{row_name(entry, True)}, {entry['agent']}")
    return [(list(reasons), rows) for reasons, rows in groups.items()]


def notes(result: Mapping[str, Any]) -> list[str]:
    """What the numbers mean: tests, levels, families."""
    found = []
    cells = result["cells"]
    forms = [FORMS[own[0]["measure"]] for own in _by_measure(cells)]
    if result["tested"]:
        share, rest = 100 * POOLED_SHARE * result["alpha"], 100 * result["alpha"]
        family = f"Holm over {_count(result['tested'], 'row')}"
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
            f"{_count(len(again), 'row')} with equal fingerprints and other values: not"
            " deterministic, or code changed without a new revision."
        )
    return found


def _short(text: str | None) -> str:
    if text is None:
        return ""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
