"""From a printed number back to all it rests on, checking every link on the way.

What is committed with an experiment says of every artefact which files it had, from which others
it was made, and at which commit: so the chain is known to its end in any clone. Files that are here
are compared with it; files that are not, as before ``dvc pull``, are named.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from mac.errors import DataError
from mac.io import read_json, sha256_file
from mac.provenance import RECORD, has_commit, read_record
from mac.rows import KEYS
from mac.stamps import check_stamp, read_stamp
from mac.stats.absent import advice
from mac.stats.committed import read_summary
from mac.stats.names import meant, short_task
from mac.stats.rows import read_committed
from mac.stats.scores import cells, model_error_cells, reported

OK, ABSENT, BROKEN = "ok", "not here", "BROKEN"
SHOWN = 12  # digits of a hash


@dataclass(frozen=True)
class Link:
    """One link of the chain.

    Attributes:
        name: what it is.
        path: the file or folder, relative to the repository.
        state: ``ok``; ``not here``, where only what is committed could be checked; ``BROKEN``.
        detail: what was found, or what is wrong.
    """

    name: str
    path: str
    state: str
    detail: str


def trace(experiment: str, task: str, agent: str, root: str | Path = ".") -> list[Link]:
    """The chain behind the number of an agent on a task, from the table to raw files and commits.

    ``task`` and ``agent`` are names as the tables print them, whole, or a part that no other has.

    Raises:
        MacError: if the experiment has no results, or neither such a task nor such an agent.
    """
    root = Path(root)
    summary = read_summary(root / "results" / experiment)
    label = meant(agent, {label: [label] for label in summary["labels"]}, "agent")
    tasks = summary["agents"][label]["tasks"]
    forms = {name: own for name, own in _forms(summary).items() if name in tasks}
    return list(_Chain(root, experiment, meant(task, forms, "task"), label, summary).links())


def traceable(experiment: str, task: str = "", root: str | Path = ".") -> list[str]:
    """The command that traces it, for every number of the table; those of ``task`` if given."""
    summary = read_summary(Path(root) / "results" / experiment)
    forms = _forms(summary)
    chosen = [meant(task, forms, "task")] if task else forms
    return [
        shlex.join(["mac", "trace", experiment, forms[name][0], label])
        for name in chosen
        for label in summary["labels"]
        if name in summary["agents"][label]["tasks"]
    ]


def _forms(summary: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What each task may be called: first as the tables print it."""
    return {
        task: (f"{entry['name']}, {short_task(task)}", task, short_task(task))
        for entry in summary["environments"]
        for task in entry["tasks"]
    }


class _Chain:
    """The links of one number, each looked at once."""

    def __init__(
        self, root: Path, experiment: str, task: str, agent: str, summary: Mapping[str, Any]
    ) -> None:
        self.root, self.folder = root, PurePosixPath("results", experiment)
        self.task, self.agent, self.summary = task, agent, summary
        self.runs: dict[str, dict[str, Any]] = {}
        self.by_mark: dict[tuple[str, int | None], str] = {}
        self.seen: set[str] = set()
        # A file may stand in several links, and all of them name few commits.
        self.sha256 = functools.cache(sha256_file)
        self.has_commit = functools.cache(lambda commit: has_commit(commit, root))

    def links(self) -> Iterator[Link]:
        """Table, number, and for each seed its evaluation and what that rests on; data last."""
        yield from self._runs()
        evaluations = yield from self._built()
        found, rows = yield from self._number()
        data: dict[str, None] = {}
        for seed, cell in found.iterrows():
            mark = cell["fingerprint"]
            yield from self._evaluation(mark, int(seed), cell, evaluations, rows)
            yield from self._artefacts([(mark, int(seed))], data)
        yield from self._artefacts([(mark, None) for mark in data], data)

    def _runs(self) -> Iterator[Link]:
        """What is committed of the artefacts, by which all others are found; a link if damaged."""
        path = self.root / self.folder / "runs.json"
        try:
            self.runs = read_json(path) if path.is_file() else {}
        except DataError as error:
            yield Link("runs", str(self.folder / path.name), BROKEN, str(error))
        self.by_mark = {(run["fingerprint"], run.get("seed")): f for f, run in self.runs.items()}

    def _built(self) -> Iterator[Link]:
        """Tables and rows against their stamps; returns the hashes of the evaluations."""
        evaluations: dict[str, Mapping[str, str]] = {}
        for rule, what in (("render", "tables and figures"), ("aggregate", "rows and statistics")):
            stamps = sorted((self.root / self.folder / "built").glob(f"{rule}-*.json"))
            if len(stamps) != 1:
                detail = f"{len(stamps)} stamps instead of one: nothing vouches for {what}"
                yield Link(rule, str(self.folder / "built"), BROKEN, detail)
                continue
            path = str(self.folder / "built" / stamps[0].name)
            try:
                content = read_stamp(stamps[0])  # it leads on, whether its files agree or not
                evaluations[rule] = content["evaluations"]
                check_stamp(stamps[0])
                yield Link(rule, path, OK, f"{len(content['files'])} files: {what}")
            except DataError as error:
                yield Link(rule, path, BROKEN, str(error))
            record = stamps[0].with_suffix(f".{RECORD}")
            if record.is_file():
                yield from self._record(f"{rule} record", record, stamps[0])
        if len(evaluations) == 2 and evaluations["render"] != evaluations["aggregate"]:
            detail = "the tables were made from other rows than those beside them"
            yield Link("render", str(self.folder), BROKEN, detail)
        return evaluations.get("aggregate", {})

    def _record(self, name: str, path: Path, stamp: Path) -> Iterator[Link]:
        """The record of origin of a stamp, and the files that it tells of."""
        shown = path.relative_to(self.root).as_posix()
        try:
            record = read_record(path, f"delete {stamp} to have it built anew")
        except DataError as error:
            yield Link(name, shown, BROKEN, str(error))
            return
        wrong = [
            file
            for file, mark in record["files"].items()
            if not (path.parent / file).is_file() or self.sha256(path.parent / file) != mark
        ]
        if wrong:
            yield Link(name, shown, BROKEN, f"{', '.join(wrong)} is not what it records")
        else:
            yield self._commit(name, shown, record)

    def _number(self) -> Iterator[Link]:
        """The printed number, computed again; returns its cells by seed, and the rows."""
        entry = self.summary["agents"][self.agent]["tasks"][self.task]
        try:
            path, rows = read_committed(self.root / self.folder)
        except DataError as error:
            yield Link("number", str(self.folder), BROKEN, str(error))
            return pd.DataFrame(), pd.DataFrame()
        shown = path.relative_to(self.root).as_posix()
        if self.summary["evaluator"] == "episodes":
            found = cells(reported(rows, self.summary["checkpoint"]))
        else:
            found = model_error_cells(rows)
        if (self.agent, self.task) not in found.index.droplevel("seed"):
            yield Link("number", shown, BROKEN, f"no rows of {self.agent} on {self.task}")
            return found.iloc[:0], rows
        own = found.loc[(self.agent, self.task)]
        mean, printed = float(own["score"].mean()), entry["mean"]
        detail = f"{self.summary['score']} {mean:.4g}, the mean of {len(own)} seeds"
        if printed is None or abs(mean - printed) > 1e-9 * max(1.0, abs(mean)):
            yield Link("number", shown, BROKEN, f"the rows give {mean}, summary.json {printed}")
        else:
            yield Link("number", shown, OK, detail)
        return own, rows

    def _evaluation(
        self,
        mark: str,
        seed: int,
        cell: pd.Series,
        evaluations: Mapping[str, str],
        rows: pd.DataFrame,
    ) -> Iterator[Link]:
        """The file that a seed's rows come from."""
        name = f"seed {seed} rows"
        paths = [
            path
            for path in map(PurePosixPath, evaluations)
            if path.parts[-3:-1] == (f"evaluate-{mark}", f"seed{seed}")
        ]
        if len(paths) != 1:
            detail = f"no sound stamp of aggregate names an evaluation {mark} of seed {seed}"
            yield Link(name, str(self.folder / "built"), BROKEN, detail)
            return
        path, expected = str(paths[0]), evaluations[str(paths[0])]
        recorded = self.runs.get(str(paths[0].parent), {}).get("files", {}).get(paths[0].name)
        what = f"{cell['score']:.4g} from {int(cell['episodes'])} at step {int(cell['step'])}"
        if recorded not in (None, expected):
            yield Link(name, path, BROKEN, "runs.json and the stamp of aggregate disagree")
        elif not (self.root / path).is_file():
            yield Link(name, path, ABSENT, f"{what}; SHA-256 {expected[:SHOWN]}")
        elif self.sha256(self.root / path) != expected:
            yield Link(name, path, BROKEN, "not the file that the rows were taken from")
        elif not self._same_rows(path, mark, seed, rows):
            yield Link(name, path, BROKEN, "its rows differ from those committed")
        else:
            yield Link(name, path, OK, what)

    def _same_rows(self, path: str, mark: str, seed: int, rows: pd.DataFrame) -> bool:
        keys = KEYS[self.summary["evaluator"]]
        own = rows[(rows["fingerprint"] == mark) & (rows["seed"] == seed)]
        own = own[own["agent"] == self.agent].drop(columns="agent")
        file = pd.read_parquet(self.root / path)[list(own.columns)]
        order = [key for key in keys if key != "agent"]
        return (
            own.sort_values(order)
            .reset_index(drop=True)
            .equals(file.sort_values(order).reset_index(drop=True))
        )

    def _artefacts(
        self, wanted: list[tuple[str, int | None]], data: dict[str, None]
    ) -> Iterator[Link]:
        """Artefacts and what they rest on; those of no seed are left for later in ``data``."""
        while wanted:
            mark, seed = wanted.pop(0)
            folder = self.by_mark.get((mark, seed))
            if folder is None:
                detail = f"nothing is committed of the artefact {mark} of seed {seed}"
                yield Link("record", str(self.folder / "runs.json"), BROKEN, detail)
                continue
            if folder in self.seen:
                continue
            self.seen.add(folder)
            run = self.runs[folder]
            yield self._artefact(folder, run)
            for role, other in run.get("inputs", {}).items():
                if (other, seed) in self.by_mark:
                    wanted.append((other, seed))
                elif (other, None) in self.by_mark:
                    data[other] = None
                else:
                    detail = f"nothing is committed of its {role}, {other}"
                    yield Link(_name(run), folder, BROKEN, detail)

    def _artefact(self, folder: str, run: Mapping[str, Any]) -> Link:
        """One folder against what is committed of it, and its own record against both."""
        name = _name(run)
        place, files = self.root / folder, run.get("files", {})
        if not files:
            return Link(name, folder, BROKEN, "no hashes are committed of its files")
        if not place.is_dir():
            return self._commit(name, folder, run, ABSENT)
        for file, expected in files.items():
            if not (place / file).is_file():
                return Link(name, folder, BROKEN, f"{file} is missing")
            if (found := self.sha256(place / file)) != expected:
                detail = f"{file} has SHA-256 {found[:SHOWN]}, committed is {expected[:SHOWN]}"
                return Link(name, folder, BROKEN, detail)
        if not (place / RECORD).is_file():
            return Link(name, folder, BROKEN, f"{RECORD} is missing")
        try:
            record = read_record(place / RECORD)
        except DataError as error:
            return Link(name, folder, BROKEN, str(error))
        for key in ("fingerprint", "inputs", "files"):
            if record.get(key) != run.get(key):
                return Link(name, folder, BROKEN, f"{RECORD} and runs.json disagree on {key}")
        for path, mark in record.get("read", {}).items():
            source = self.runs.get(str(PurePosixPath(path).parent), {})
            if source.get("files", {}).get(PurePosixPath(path).name) != mark:
                return Link(name, folder, BROKEN, f"it read another {path}")
        if run["rule"] == "build":
            raw: dict[str, str] = {}
            for mark in run["inputs"].values():
                raw |= self.runs.get(self.by_mark.get((mark, None), ""), {}).get("files", {})
            splits = read_json(place / "manifest.json")["splits"].values()
            for file in (file for split in splits for file in split["files"]):
                if raw.get(file["name"]) != file["sha256"]:
                    return Link(name, folder, BROKEN, f"it was built from another {file['name']}")
        return self._commit(name, folder, run)

    def _commit(self, name: str, path: str, run: Mapping[str, Any], state: str = OK) -> Link:
        """The link with the commit of its code, which must exist."""
        git = run.get("git")
        hours = f", {run['wall_seconds']:,.0f} s" if "wall_seconds" in run else ""
        if not git:
            return Link(name, path, state, f"made outside a repository{hours}")
        if self.has_commit(git["commit"]) is False:
            return Link(name, path, BROKEN, f"commit {git['commit']} is not in this repository")
        changed = " with uncommitted changes" if git["dirty"] else ""
        return Link(name, path, state, f"commit {git['commit'][:SHOWN]}{changed}{hours}")


def _name(run: Mapping[str, Any]) -> str:
    seed = run.get("seed")
    return run["rule"] if seed is None else f"seed {seed} {run['rule']}"


def text(links: list[Link], experiment: str, root: str | Path = ".") -> str:
    """The chain as lines, with a summary and what to do about files that are not here."""
    width = max(len(link.name) for link in links)
    lines = [
        f"{link.state:8}  {link.name:{width}}  {link.path}\n{'':{width + 12}}{link.detail}"
        for link in links
    ]
    count = {state: sum(link.state == state for link in links) for state in (OK, ABSENT, BROKEN)}
    lines.append(f"{count[OK]} links verified, {count[ABSENT]} not here, {count[BROKEN]} broken")
    absent = {PurePosixPath(link.path) for link in links if link.state == ABSENT}
    folders = {str(path.parent if path.suffix else path) for path in absent}
    lines += advice(sorted(folders), experiment, Path(root))
    return "\n".join(lines)
