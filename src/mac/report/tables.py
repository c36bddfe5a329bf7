"""Tables as data: what every cell says, once; how it looks is up to the templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from mac.report.claims import OTHER_TASKS, SECOND_HAND, Claims
from mac.report.tuning import Tunings, tuning_notes
from mac.stats.compare import improvement_matrix
from mac.stats.names import short_task

BOLD_SHARE = 0.95  # OGBench: bold is what reaches 95 % of the row's best
MAX_INLINE = 4  # agents up to which intervals stand beside the means
MAX_PAIRS = 16  # rows up to which the comparisons are shown task by task
MINUS = "−"
SAME = "°"  # marks an interval that rests on episodes because all seeds agree
MEAN = "mean ± std"

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """What a cell says: ``text`` bold or not, then ``rest``; ``muted`` for what is no result.

    For pages only: ``share`` in [0, 1] shades the cell, ``anchor`` is where it leads to, ``tag``
    says that its text is one of a few words that are told apart at a glance.
    """

    text: str = ""
    rest: str = ""
    bold: bool = False
    muted: bool = False
    share: float | None = None
    anchor: str = ""
    tag: bool = False

    @property
    def plain(self) -> str:
        """The whole cell without emphasis."""
        return f"{self.text}{self.rest}"


@dataclass(frozen=True)
class Column:
    """A column: its title, its alignment (``l`` or ``r``), and the agent it belongs to, if any."""

    title: str
    align: str = "r"
    group: str = ""

    @property
    def is_interval(self) -> bool:
        """Whether it holds intervals of the column before it."""
        return self.title.startswith("95 %")


@dataclass(frozen=True)
class Row:
    """Cells under the table's columns; ``kind`` is task, mean (of an environment) or overall."""

    cells: tuple[Cell, ...]
    kind: str = "task"
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its title and notes of its own."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())


def condensed(table: Table) -> Table:
    """``table`` without intervals that no row has; a note names them and says why."""
    said: dict[str, set[str]] = {}
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if column.is_interval and cell.text:
                said.setdefault(column.title, set()).add(cell.text if cell.muted else "")
    dropped = {title: " or ".join(sorted(why)) for title, why in said.items() if "" not in why}
    if not dropped:
        return table
    kept = [i for i, column in enumerate(table.columns) if column.title not in dropped]
    whys = dict.fromkeys(dropped.values())
    lists = (f"{why}: {', '.join(t for t in dropped if dropped[t] == why)}" for why in whys)
    return replace(
        table,
        columns=tuple(table.columns[i] for i in kept),
        rows=tuple(replace(row, cells=tuple(row.cells[i] for i in kept)) for row in table.rows),
        notes=(f"Not shown, {'; '.join(lists)}.", *table.notes),
    )


def percent(value: float | None) -> str:
    """A rate as percent with one decimal."""
    return "" if value is None else _signed(f"{100 * value:.1f}")


def points(value: float | None) -> str:
    """A difference of rates in percentage points, with its sign."""
    return "" if value is None else _signed(f"{100 * value:+.1f}")


def magnitude(value: float | None) -> str:
    """A number of unknown size with three significant digits."""
    return "" if value is None else _signed(f"{value:.3g}")


def plain(value: float | None) -> str:
    """A number between 0 and 1 with two decimals."""
    return "" if value is None else f"{value:.2f}"


def chance(value: float | None) -> str:
    """A p-value with two significant digits."""
    return "" if value is None else f"{value:.2g}".replace("-", MINUS)


def _signed(text: str) -> str:
    if text.strip("-+0.") == "":
        text = text.lstrip("-+")
    return text.replace("-", MINUS)


def interval(
    entry: Entry, prefix: str = "ci", form: Callable[[float | None], str] = percent
) -> Cell:
    """An interval's two ends, or why there are none."""
    low, high = entry.get(f"{prefix}_low"), entry.get(f"{prefix}_high")
    if low is None or high is None:
        return Cell(entry.get(f"{prefix}_reason") or MINUS, muted=True)
    mark = SAME if entry.get(f"{prefix}_reason") else ""
    return Cell(f"[{form(low)}, {form(high)}]{mark}")


def best(values: Mapping[str, float | None]) -> set[str]:
    """Agents whose mean reaches 95 % of the best; none where nobody ever succeeds."""
    known = {label: value for label, value in values.items() if value is not None}
    top = max(known.values(), default=0.0)
    return {label for label, value in known.items() if top > 0 and value >= BOLD_SHARE * top}


@dataclass(frozen=True)
class Line:
    """A row of a table by agents: its name, its kind, and where the summary has its entries."""

    name: str
    kind: str
    group: str
    level: str  # overall, environments or tasks
    key: str
    tasks: int

    def entry(self, agent: Mapping[str, Any]) -> Entry | None:
        """This line's statistics of one agent (or comparison), None where it has none."""
        if self.level == "overall":
            return agent.get("overall")
        return agent[self.level].get(self.key)


def lines(summary: Mapping[str, Any], *, with_tasks: bool = True) -> list[Line]:
    """Tasks, then the mean of each environment; overall where it is not the same mean again."""
    found = []
    total = 0
    environments = summary["environments"]
    for environment in environments:
        name, tasks = environment["name"], environment["tasks"]
        total += len(tasks)
        if len(tasks) > 1:
            label = f"{name}, mean of {len(tasks)}"
            if with_tasks:
                found += [
                    Line(f"{name}, {short_task(task)}", "task", name, "tasks", task, 1)
                    for task in tasks
                ]
        else:
            label = name if short_task(tasks[0]) == tasks[0] else f"{name}, {short_task(tasks[0])}"
        found.append(Line(label, "mean", name, "environments", name, len(tasks)))
    if len(environments) > 1 and len({e["mode"] for e in environments}) == 1:
        found.append(Line(f"all, mean of {total}", "overall", "", "overall", "", total))
    return found


def score_table(summary: Mapping[str, Any], claims: Claims | None) -> Table:
    """The main table: rows are tasks and means, columns agents, the paper's numbers beside ours."""
    labels, agents = summary["labels"], summary["agents"]
    inline = len(labels) <= MAX_INLINE
    few = any(
        line_entry and line_entry["ci_low"] is None
        for line in lines(summary)
        for line_entry in (line.entry(agents[label]) for label in labels)
    )
    paper = {label: _claims_of(summary, claims, label) for label in labels}
    columns = [Column("success, %", "l")]
    for label in labels:
        columns.append(Column(MEAN, "r", label))
        if inline:
            columns.append(Column("95 % seeds", "r", label))
        if inline and few:
            columns.append(Column("95 % episodes", "r", label))
        if paper[label]:
            columns.append(Column("paper", "r", label))
    rows = []
    for line in lines(summary):
        entries = {label: line.entry(agents[label]) for label in labels}
        bold = best({label: e["mean"] if e else None for label, e in entries.items()})
        cells = [Cell(line.name)]
        for label, entry in entries.items():
            anchor = line_anchor(summary, line, label)
            cells.append(_mean_cell(entry, label in bold, anchor))
            if inline:
                cells.append(interval(entry) if entry else Cell())
            if inline and few:
                cells.append(interval(entry, "episode_ci") if entry else Cell())
            if paper[label]:
                claim = paper[label].get(line.name)
                cells.append(Cell(claim.text if claim else "", muted=True))
        rows.append(Row(tuple(cells), line.kind, line.group))
    return Table(
        "scores", "Success rates", tuple(columns), tuple(rows), _paper_notes(paper, claims)
    )


def _claims_of(summary: Mapping[str, Any], claims: Claims | None, label: str) -> dict[str, Any]:
    if claims is None:
        return {}
    names = {e["name"]: e["environment"] for e in summary["environments"]}
    found = {
        line.name: claims.of(names[line.key], label, line.tasks)
        for line in lines(summary, with_tasks=False)
        if line.level == "environments"
    }
    return {name: claim for name, claim in found.items() if claim}


def _paper_notes(paper: Mapping[str, Any], claims: Claims | None) -> tuple[str, ...]:
    shown = [claim for column in paper.values() for claim in column.values()]
    if not shown or claims is None:
        return ()
    notes = [f"paper: {claims.source}; {claims.statistic}."]
    if any(claim.spread is not None for claim in shown):
        notes.append(
            "The paper's ± has its meaning in brackets: over seeds or over tasks, with a question"
            " mark where that was inferred; (?) is unknown. It does not compare with ours and is"
            " used in no test."
        )
    marks = "".join(claim.marks for claim in shown)
    if SECOND_HAND in marks:
        notes.append(f"{SECOND_HAND} quoted second-hand, not read in the paper.")
    if OTHER_TASKS in marks:
        notes.append(f"{OTHER_TASKS} over {claims.tasks} tasks, ours over others or fewer.")
    used = {claim.column for claim in shown}
    notes += [n.text for n in claims.notes if not n.columns or used & set(n.columns)]
    return tuple(notes)


def trace_anchor(summary: Mapping[str, Any], task: str, label: str) -> str:
    """Place on a report's page that says what an agent's number on a task was made of."""
    planned = [t for environment in summary["environments"] for t in environment["tasks"]]
    return f"trace-{planned.index(task)}-{summary['labels'].index(label)}"


def line_anchor(summary: Mapping[str, Any], line: Line, label: str) -> str:
    """Trace of an agent's number on a line; a mean's is its first task's."""
    own = summary["agents"][label]["tasks"]
    for environment in summary["environments"]:
        for task in environment["tasks"]:
            on_line = line.level == "overall" or line.key in (environment["name"], task)
            if on_line and task in own:
                return trace_anchor(summary, task, label)
    return ""


def _mean_cell(entry: Entry | None, bold: bool, anchor: str = "") -> Cell:
    if entry is None:
        return Cell("not run", muted=True)
    if entry["mean"] is None:
        return Cell(entry["ci_reason"], muted=True)
    rest = "" if entry["std"] is None else f" ± {percent(entry['std'])}"
    if "mean_with_failures" in entry:
        rest += " !"
    return Cell(percent(entry["mean"]), rest, bold, anchor=anchor)


def statistics_table(summary: Mapping[str, Any], tuned: Tunings) -> Table:
    """Every interval and estimate of each agent, by environment and overall; and its tuning."""
    titles = ("mean", "IQM", "gap", "95 % seeds", "95 % IQM", "95 % bootstrap", "95 % episodes")
    columns = [Column("", "l"), Column("agent", "l"), *map(Column, titles)]
    columns += [Column("seeds"), Column("episodes"), *([Column("tuning")] if tuned else [])]
    rows = []
    for line in lines(summary, with_tasks=False):
        for label in summary["labels"]:
            entry = line.entry(summary["agents"][label])
            if entry is None:
                continue
            cells = (
                Cell(line.name),
                Cell(label),
                Cell(percent(entry["mean"])),
                Cell(percent(entry["iqm"])),
                Cell(percent(entry["optimality_gap"])),
                interval(entry),
                interval(entry, "iqm_ci"),
                interval(entry, "bootstrap_ci"),
                interval(entry, "episode_ci"),
                Cell(str(entry["seeds"])),
                Cell(f"{entry['episodes']:,}".replace(",", " ")),
                *([_tuning_cell(tuned, label, line)] if tuned else []),
            )
            rows.append(Row(cells, line.kind, line.group))
    notes = (
        "gap: optimality gap, how far runs stay below 100 % on average; a success rate cannot pass"
        " that, so the gap is 100 less the mean, and its intervals mirror the mean's.",
        *tuning_notes(summary, tuned),
    )
    return Table("statistics", "Estimates and intervals", tuple(columns), tuple(rows), notes)


def _tuning_cell(tuned: Tunings, label: str, line: Line) -> Cell:
    """Number of settings tried; empty on a mean over environments, where it means nothing."""
    if line.level == "overall":
        return Cell()
    one = tuned.get((label, line.group))
    said = one and one["settings"] is not None
    return Cell(str(one["settings"])) if said else Cell("not said", muted=True)


def comparison_table(summary: Mapping[str, Any]) -> Table | None:
    """Paired differences; None without a pair."""
    if not summary["comparisons"]:
        return None
    titles = ("difference", "95 % seeds", "95 % episodes", "p", "P(better)", "95 % bootstrap")
    titles = (*titles, "seeds")
    columns = (Column("percentage points", "l"), Column("agents", "l"), *map(Column, titles))
    rows = []
    with_tasks = len(lines(summary)) * len(summary["comparisons"]) <= MAX_PAIRS
    for line in lines(summary, with_tasks=with_tasks):
        for pair in summary["comparisons"]:
            entry = line.entry(pair)
            if entry is None:
                continue
            cells = (
                Cell(line.name),
                Cell(f"{pair['agent']} {MINUS} {pair['baseline']}"),
                Cell(points(entry["difference"])),
                interval(entry, form=points),
                interval(entry, "episode_ci", form=points),
                Cell(chance(entry["p_value"])),
                Cell(plain(entry["probability_of_improvement"])),
                interval(entry, "probability_ci", form=plain),
                Cell(str(entry["seeds"])),
            )
            rows.append(Row(cells, line.kind, line.group))
    notes = (
        "Differences are paired: both agents were trained with the same seeds and start each"
        " evaluation episode from the same state. P(better): probability that a run of the first"
        " agent beats one of the second on the same task, ties counted half.",
        "p: exact one-sided sign test that the first agent is better, on the paired episodes that"
        " only one of the two solved; it speaks of these runs, not of other seeds.",
    )
    return Table("comparisons", "Paired differences", columns, tuple(rows), notes)


def improvement_table(summary: Mapping[str, Any], runs: pd.DataFrame) -> Table | None:
    """Probability that the row's agent beats the column's; None for fewer than three agents.

    Two agents have their one number among the paired differences. Tasks are those that all agents
    ran; protocols are not mixed.
    """
    labels = summary["labels"]
    tasks = shared_tasks(summary)
    if len(labels) < 3 or not tasks or len({e["mode"] for e in summary["environments"]}) > 1:
        return None
    found = improvement_matrix(runs, labels, tasks, summary["seeds"])
    rows = [
        Row(
            (
                Cell(label),
                *(
                    Cell(MINUS, muted=True) if np.isnan(p) else Cell(plain(p), share=float(p))
                    for p in line
                ),
            )
        )
        for label, line in zip(labels, found, strict=True)
    ]
    notes = (
        "Probability that a run of the row's agent beats one of the column's on the same task, ties"
        f" counted half, mean over {count(len(tasks), 'task')}. Intervals stand with the paired"
        " differences.",
    )
    columns = (Column("P(row beats column)", "l"), *map(Column, labels))
    return Table("improvement", "Probability of improvement", columns, tuple(rows), notes)


def shared_tasks(summary: Mapping[str, Any]) -> list[str]:
    """Tasks that every agent of an experiment runs on."""
    return [
        task
        for environment in summary["environments"]
        for task in environment["tasks"]
        if all(task in agent["tasks"] for agent in summary["agents"].values())
    ]


def value_table(summary: Mapping[str, Any]) -> Table | None:
    """Value estimates against true returns; None unless every agent has a value function."""
    entries = [
        (line, label, line.entry(summary["agents"][label]))
        for line in lines(summary, with_tasks=False)
        for label in summary["labels"]
    ]
    if any(entry is None or entry.get("value_error") is None for _, _, entry in entries):
        return None
    titles = ("bias", "95 % seeds", "abs. error", "95 % seeds")
    columns = [Column("", "l"), Column("agent", "l"), *map(Column, titles)]
    rows = []
    for line, label, entry in entries:
        cells = [Cell(line.name), Cell(label)]
        for key in ("value_bias", "value_error"):
            cells.append(Cell(magnitude(entry[key]["mean"])))
            cells.append(interval(entry[key], form=magnitude))
        rows.append(Row(tuple(cells), line.kind, line.group))
    notes = (
        "Value of an episode's first state minus the discounted return that then followed, unsolved"
        " episodes beyond their step limit: its mean (bias) and the mean of its magnitude (abs."
        " error), in units of that return.",
    )
    title = "Value estimates against true returns"
    return Table("values", title, tuple(columns), tuple(rows), notes)


def model_error_table(summary: Mapping[str, Any]) -> Table:
    """Prediction error at the longest common horizon."""
    columns = [Column("mean squared error", "l"), Column("horizon")]
    for label in summary["labels"]:
        columns += [Column(MEAN, group=label), Column("95 % seeds", group=label)]
    rows = []
    for line in lines(summary):
        if line.kind == "overall":
            continue
        entries = [line.entry(summary["agents"][label]) for label in summary["labels"]]
        horizons = sorted({int(e["horizon"]) for e in entries if e and e.get("horizon")})
        cells = [Cell(line.name), Cell(_span(horizons))]
        for label, entry in zip(summary["labels"], entries, strict=True):
            if entry is None or entry["mean"] is None:
                cells += [Cell("not run", muted=True), Cell()]
                continue
            std = "" if entry["std"] is None else f" ± {magnitude(entry['std'])}"
            anchor = line_anchor(summary, line, label)
            mean = Cell(magnitude(entry["mean"]), std, anchor=anchor)
            cells += [mean, interval(entry, form=magnitude)]
        rows.append(Row(tuple(cells), line.kind, line.group))
    return Table("model_error", "Open-loop prediction error", tuple(columns), tuple(rows))


def notes(summary: Mapping[str, Any]) -> list[str]:
    """What the tables' numbers are: statistic, seeds, episodes, checkpoint, failures, versions."""
    if summary["evaluator"] == "model_error":
        first = (
            "Squared error of normalised observations, open loop on held-out windows, at the"
            " longest horizon (environment steps) that all agents reach with whole chunks; mean ±"
            f" standard deviation over {count(len(summary['seeds']), 'seed')}; last checkpoint."
        )
        return [first, _seeds_note(), *_no_data(summary), *_failures(summary)]
    entries = [e for agent in summary["agents"].values() for e in agent["tasks"].values()]
    episodes = sorted({e["episodes"] // e["seeds"] for e in entries if e["seeds"]})
    shown = (
        "–".join(str(n) for n in dict.fromkeys((episodes[0], episodes[-1]))) if episodes else "0"
    )
    found = [
        "Success rate in percent at an episode's last step: mean ± standard deviation over"
        f" {count(len(summary['seeds']), 'training seed')} of the seed's mean over tasks;"
        f" {shown} episodes a task and seed; {_checkpoint(summary)}. Bold: at least 95 % of the"
        " row's best.",
        _seeds_note(),
        "95 % episodes: clustered by task and seed; how well these runs are measured, not how other"
        " seeds would do. 95 % bootstrap: the field's stratified percentile bootstrap over seeds,"
        " which ignores that tasks share a seed. 95 % IQM: bootstrap-t over seeds, from"
        " 16 runs (seeds × tasks) on.",
    ]
    stars = [e for agent in summary["agents"].values() for e in _entries(agent)]
    if any(e["ci_reason"] and e["ci_low"] is not None for e in stars):
        found.append(f"{SAME} all seeds agree; the interval is the episodes' sampling error.")
    if len({len(agent["tasks"]) for agent in summary["agents"].values()}) > 1:
        found.append("Agents did not run on the same tasks: their overall means do not compare.")
    found += [*_no_data(summary), *_failures(summary)]
    known = {k: v for k, v in summary["versions"].items() if v != ["n/a"]}
    if known:
        text = ", ".join(f"{k.replace('_', ' ')} {'/'.join(v)}" for k, v in known.items())
        found.append(f"Played with {text}.")
    return found


def _entries(agent: Mapping[str, Any]) -> list[Entry]:
    return [agent["overall"], *agent["environments"].values(), *agent["tasks"].values()]


def _seeds_note() -> str:
    return (
        "95 % seeds: Student's t on the seeds' means over tasks, from 4 seeds on; it is the"
        " interval to quote."
    )


def _checkpoint(summary: Mapping[str, Any]) -> str:
    if summary["checkpoint"] == "last":
        return "last checkpoint"
    text = "mean of the last three checkpoints"
    short: dict[int, list[str]] = {}
    for label in summary["labels"]:
        count = summary["agents"][label]["checkpoints"]
        if count is not None and count < 3:
            short.setdefault(count, []).append(label)
    for count, labels in short.items():
        text += f" ({', '.join(labels)}: {'only one' if count == 1 else 'two'})"
    return text


def _no_data(summary: Mapping[str, Any]) -> list[str]:
    """A line for each environment of the experiment that the tables cannot show."""
    return [f"No data: {name} ({why})." for name, why in summary["no_data"].items()]


def _failures(summary: Mapping[str, Any]) -> list[str]:
    missing: Sequence[Mapping[str, Any]] = summary["missing"]
    if not missing:
        return []
    shown = "; ".join(
        f"{run['agent']} seed {run['seed']} on {', '.join(map(short_task, run['tasks']))}"
        for run in missing[:8]
    )
    rest = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
    return [
        f"! {count(len(missing), 'run')} missing or failed: {shown}{rest}. Rows marked ! leave out"
        " seeds that lack a task; with failures counted as zero the means are in summary.json."
    ]


def _span(numbers: Sequence[int]) -> str:
    """The smallest and the largest of sorted numbers; one of them if they are the same."""
    return "–".join(map(str, dict.fromkeys((numbers[0], numbers[-1])))) if numbers else ""


def count(number: int, noun: str) -> str:
    """A number and what it counts."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
