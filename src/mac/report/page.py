"""What a report shows, in order: sections of figures and tables, facts, and traces of numbers."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mac.report.cells import Table, condensed, count, magnitude
from mac.report.claims import Claims
from mac.report.costs import NOT_RECORDED, Records, cost_table
from mac.report.diagnoses import Film, candidates_table, film_notes, films
from mac.report.lines import trace_anchor
from mac.report.tables import (
    comparison_table,
    improvement_table,
    model_error_table,
    score_table,
    statistics_table,
    value_table,
)
from mac.report.tuning import Tunings
from mac.report.verdicts import Comparison, not_run_table, paper_table


@dataclass(frozen=True)
class Section:
    """A part of the report: names of its figures, its tables, its films and notes on them."""

    name: str
    title: str
    figures: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    films: tuple[Film, ...] = ()
    notes: tuple[str, ...] = ()


def _section(name: str, title: str, figures: Sequence[str], *tables: Table | None) -> Section:
    return Section(
        name, title, tuple(figures), tuple(condensed(table) for table in tables if table)
    )


def sections(
    summary: Mapping[str, Any],
    runs: pd.DataFrame,
    claims: Claims | None,
    compared: Sequence[Comparison],
    tuned: Tunings,
) -> list[Section]:
    """What the rows say, in every form of the tables.

    Args:
        summary: content of ``summary.json``.
        runs: of :func:`mac.stats.scores.read_runs`.
        claims: the paper's numbers, or None.
        compared: of :func:`mac.report.verdicts.comparisons`.
        tuned: of :func:`mac.report.tuning.tunings`.
    """
    if summary["evaluator"] == "model_error":
        title = "Open-loop prediction error"
        return [_section("model_error", title, ["model_error"], model_error_table(summary))]
    return [
        _section("scores", "Success rates", ["intervals"], score_table(summary, claims)),
        _section(
            "paper",
            "Beside the paper",
            [],
            paper_table(summary, compared),
            not_run_table(compared),
        ),
        _section("curves", "Learning curves", ["curves"]),
        _section(
            "comparisons",
            "Agents compared",
            ["profiles"],
            improvement_table(summary, runs),
            comparison_table(summary),
        ),
        _section("statistics", "Estimates and intervals", [], statistics_table(summary, tuned)),
        _section("values", "Value estimates against true returns", [], value_table(summary)),
    ]


def diagnosis_sections(
    entries: Sequence[Mapping[str, Any]], summary: Mapping[str, Any], folder: Path
) -> list[Section]:
    """What was found inside single runs; on the page alone, since it is no result.

    Args:
        entries: of :func:`mac.stats.diagnoses.read_diagnoses`.
        summary: content of ``summary.json``.
        folder: the experiment's, where the films are.
    """
    shown = films(entries, summary, folder)
    return [
        _section("candidates", "Best of N", [], candidates_table(entries, summary)),
        Section("films", "Episodes", films=tuple(shown), notes=tuple(film_notes(shown))),
    ]


def cost_section(summary: Mapping[str, Any], runs: pd.DataFrame, records: Records) -> Section:
    """What it took; not in the tables' other forms, since equal results may take longer."""
    return _section("cost", "Cost", [], cost_table(summary, runs, records))


@dataclass(frozen=True)
class Trace:
    """Where the numbers of one agent on one task come from, and the command that follows them."""

    anchor: str
    task: str
    agent: str
    seeds: str
    steps: str
    fingerprints: str
    command: str


def traces(summary: Mapping[str, Any], runs: pd.DataFrame) -> list[Trace]:
    """Every agent's runs on every task."""
    found = []
    for environment in summary["environments"]:
        for task in environment["tasks"]:
            for label in summary["labels"]:
                if (label, task) not in runs.index:
                    continue
                own = runs.loc[(label, task)]
                words = ("mac", "trace", summary["experiment"], task, label)
                steps = sorted(set(own["step"]))
                found.append(
                    Trace(
                        trace_anchor(summary, task, label),
                        task,
                        label,
                        ", ".join(map(str, own.index)),
                        ", ".join(f"{step:,}".replace(",", " ") for step in steps),
                        ", ".join(dict.fromkeys(own["fingerprint"])),
                        shlex.join(words),
                    )
                )
    return found


def facts(
    summary: Mapping[str, Any], runs: pd.DataFrame, records: Records
) -> list[tuple[str, str]]:
    """The experiment's size in a few numbers, each with what it counts."""
    tasks = sum(len(environment["tasks"]) for environment in summary["environments"])
    found = [
        (str(len(summary["labels"])), "agent" if len(summary["labels"]) == 1 else "agents"),
        (str(tasks), f"tasks in {count(len(summary['environments']), 'environment')}"),
        (str(len(summary["seeds"])), "training seeds"),
    ]
    episodes = sum(
        entry["episodes"]
        for agent in summary["agents"].values()
        for entry in agent["tasks"].values()
    )
    if summary["evaluator"] == "episodes":
        found.append((f"{episodes:,}".replace(",", " "), "episodes in the tables"))
    time = records.hours(runs)
    if not time:
        return [*found, (NOT_RECORDED, "computing time")]
    kind = "gpu" if time["gpu_hours"] else "cpu"
    word = {"gpu": "GPU-hours", "cpu": "core-hours"}[kind]
    return [*found, (magnitude(time[f"{kind}_hours"]), f"{word} of computing")]
