"""What diagnoses show on the page: rejection sampling as a table, episodes as small films."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from mac.report.cells import MINUS, Cell, Column, Row, Table, count, magnitude, plain
from mac.stats.names import short_task

Entries = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Film:
    """An animation and its last picture, as addresses that hold them; or why there is none."""

    agent: str
    caption: str
    alt: str = ""
    moving: str = ""
    still: str = ""
    note: str = ""


def candidates_table(entries: Entries, summary: Mapping[str, Any]) -> Table | None:
    """Numbers of every diagnosed run that acts by rejection sampling; None where none does."""
    shown = [entry for entry in entries if entry["candidates"] is not None]
    if not shown:
        return None
    titles = ("N", "critic gap", "rank corr.", "spread", "distance", "of data", "KL ≤")
    columns = (Column("best of N", "l"), Column("agent", "l"), *map(Column, titles))
    rows = []
    for entry in shown:
        found = entry["candidates"]
        gap = Cell(magnitude(found["gap"]))
        others = (Cell(plain(found[key])) for key in ("spread", "distance", "data_distance"))
        rank = Cell(MINUS, muted=True) if found["rank"] is None else Cell(_correlation(found))
        cells = (Cell(_place(entry, summary)), Cell(entry["label"]), Cell(str(found["candidates"])))
        bound = Cell(plain(found["kl_bound"]))
        rows.append(Row((*cells, gap, rank, *others, bound)))
    return Table("candidates", "Best of N", columns, tuple(rows), _notes(shown))


def _correlation(found: Mapping[str, Any]) -> str:
    return plain(found["rank"]).replace("-", MINUS)


def _notes(shown: Entries) -> tuple[str, ...]:
    states = sorted({entry["candidates"]["states"] for entry in shown})
    chunks = sorted({entry["candidates"]["horizon"] for entry in shown})
    return (
        f"Of N candidate chunks the critic's favourite acts: one seed ({_seeds(shown)}), its last"
        f" checkpoint, {'–'.join(map(str, states))} held-out states. Critic gap: score of the best"
        " candidate minus the mean, in units of Q. Rank corr.: Spearman's correlation over"
        " candidates between their scores and the returns that the model imagines when each is"
        f" taken first ({'–'.join(map(str, chunks))} chunks, then V); near 0, the critic's choice"
        " is not the model's.",
        "In action units: spread, the candidates' standard deviation, mean over coordinates;"
        " distance, root mean square over a chunk, from the chosen one to the nearest of some"
        " training chunks; of data, the same for held-out chunks. KL ≤: log N − (N − 1)/N nats, the"
        " most by which choosing leads away from what proposes.",
    )


def _seeds(entries: Entries) -> str:
    return ", ".join(str(seed) for seed in sorted({entry["seed"] for entry in entries}))


def _place(entry: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """Name of what an entry is about: a task, or an environment where one run serves all tasks."""
    for environment in summary["environments"]:
        if entry["task"] in environment["tasks"]:
            return f"{environment['name']}, {short_task(entry['task'])}"
        if any(film["task"] in environment["tasks"] for film in entry["films"]):
            return environment["name"]
    return entry["task"]


def films(entries: Entries, summary: Mapping[str, Any], folder: Path) -> list[Film]:
    """Films of every diagnosed run, task by task in the tables' order."""
    order = [task for environment in summary["environments"] for task in environment["tasks"]]
    found = [(film["task"], film, entry) for entry in entries for film in entry["films"]]
    found = [one for one in found if one[0] in order]
    found.sort(key=lambda one: order.index(one[0]))
    return [_film(film, entry, summary, folder) for _, film, entry in found]


def _film(
    film: Mapping[str, Any], entry: Mapping[str, Any], summary: Mapping[str, Any], folder: Path
) -> Film:
    label, place = entry["label"], _place({**entry, "task": film["task"]}, summary)
    steps = count(film["length"], "step")
    outcome = f"solved after {steps}" if film["success"] else f"not solved in {steps}"
    caption = f"{place}: {outcome}"
    if film["file"] is None:
        return Film(label, caption, note=film["note"])
    moving = (folder / film["file"]).read_bytes()
    alt = (
        f"Animation of {label}, seed {entry['seed']} after {count(entry['step'], 'update')}, in"
        f" evaluation episode {film['episode']} of {place}, which is {outcome}."
    )
    return Film(label, caption, alt, _address(moving), _address(_last(moving)))


def _last(moving: bytes) -> bytes:
    """The last picture of an animation, for those who do not want movement."""
    picture = Image.open(BytesIO(moving))
    picture.seek(picture.n_frames - 1)
    file = BytesIO()
    picture.convert("RGB").save(file, "WEBP", quality=80)
    return file.getvalue()


def _address(content: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def film_notes(shown: Sequence[Film]) -> Iterator[str]:
    """What the films are, and each reason why one is missing."""
    if any(film.moving for film in shown):
        yield (
            "The first evaluation episode of the first seed at its last checkpoint, one of those"
            " that the success rates count, whether it went well or not."
        )
    for reason in dict.fromkeys(film.note for film in shown if film.note):
        names = "; ".join(f"{film.agent}, {film.caption}" for film in shown if film.note == reason)
        yield f"No film ({reason}): {names}."
