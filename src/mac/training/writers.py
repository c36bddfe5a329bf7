"""Where the log of a training goes: ``metrics.csv`` always, other places if asked for.

The CSV file is what everything else reads. Other writers only show its rows while they come in:
they write outside the results, and one that fails is dropped with a line on standard error.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from mac.io import atomic_write_text

Row = Mapping[str, float]  # ``step`` and the quantities logged at it


class Writer(Protocol):
    """One place that rows go to; opened for the steps after the one a training goes on from."""

    def write(self, row: Row) -> None:
        """Take a complete row; steps increase."""

    def close(self, *, finished: bool) -> None:
        """End; ``finished`` tells whether the training has reached its last step."""


Opener = Callable[[int], Writer]
"""Opens a writer for the rows after a step, 0 at the start of a training.

A training that was killed goes on from a step before the last one it has written: what was written
of later steps is void.
"""


class CsvWriter:
    """All rows in one file, which is written at the end of a finished training only.

    Args:
        path: the file.
        rows: those of before an interruption.
    """

    def __init__(self, path: Path, rows: Sequence[Row]) -> None:
        self.path, self.rows = path, list(rows)

    def write(self, row: Row) -> None:
        """Keep a row."""
        self.rows.append(row)

    def close(self, *, finished: bool) -> None:
        """Write the file; a column for each quantity, empty where a row lacks it."""
        if not finished:
            return
        names = ["step", *sorted({name for row in self.rows for name in row} - {"step"})]
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        atomic_write_text(self.path, text.getvalue())


class Forgiving:
    """A writer that gives up, with one line, where the one it opens fails.

    A training of hours does not end because a service cannot be reached.
    """

    def __init__(self, opener: Opener, step: int) -> None:
        self._writer: Writer | None = None
        with self._giving_up():
            self._writer = opener(step)

    def write(self, row: Row) -> None:
        """Hand on a row."""
        with self._giving_up():
            if self._writer:
                self._writer.write(row)

    def close(self, *, finished: bool) -> None:
        """Close the writer."""
        with self._giving_up():
            if self._writer:
                self._writer.close(finished=finished)

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # whatever a foreign package raises; interruptions are no Exception
            self._writer = None
            line = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"mac: compute.writers: given up: {line}", file=sys.stderr, flush=True)


@contextmanager
def writing(
    path: Path, rows: Sequence[Row], step: int, openers: Sequence[Opener] = ()
) -> Iterator[Callable[[Row], None]]:
    """Write the rows of a training to ``path`` and to the places that ``openers`` open.

    Args:
        path: the CSV file.
        rows: rows up to ``step``, of a training that goes on.
        step: where it goes on.
        openers: of the other writers.

    Yields:
        a function that takes the next complete row.
    """
    writers: list[Writer] = [CsvWriter(path, rows), *(Forgiving(o, step) for o in openers)]

    def write(row: Row) -> None:
        for writer in writers:
            writer.write(row)

    finished = False
    try:
        yield write
        finished = True
    finally:
        for writer in writers:
            writer.close(finished=finished)
