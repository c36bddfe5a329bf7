"""The rows that an experiment's tables share: tasks, means of environments, the mean of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mac.report.cells import Entry
from mac.stats.names import short_task


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


def shared_tasks(summary: Mapping[str, Any]) -> list[str]:
    """Tasks that every agent of an experiment runs on."""
    return [
        task
        for environment in summary["environments"]
        for task in environment["tasks"]
        if all(task in agent["tasks"] for agent in summary["agents"].values())
    ]


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
