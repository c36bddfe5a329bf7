"""Progress of long work: a bar on a terminal, one line a minute in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

LINE_INTERVAL_S = 60.0


class Progress(Protocol):
    """What :func:`progress` yields."""

    def update(self, amount: int = 1) -> None:
        """Count ``amount`` more units as done."""


class Lines:
    """Progress as plain lines, at most one every ``interval`` seconds and one at the end.

    The rate counts only the units done by this process, so a resumed job does not look fast.
    """

    def __init__(
        self,
        total: int,
        unit: str,
        desc: str,
        initial: int = 0,
        *,
        stream: TextIO | None = None,
        interval: float = LINE_INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total, self.unit, self.desc, self.initial = total, unit, desc, initial
        self.done = initial
        self._stream, self._interval, self._clock = stream, interval, clock
        self._start = self._last = clock()

    def update(self, amount: int = 1) -> None:
        """Count ``amount`` more units and write a line if the last one is old enough."""
        self.done += amount
        if self._clock() - self._last >= self._interval:
            self.write()

    def write(self) -> None:
        """Write the line now."""
        now = self._clock()
        elapsed = now - self._start
        rate = (self.done - self.initial) / elapsed if elapsed > 0 else 0.0
        left = f", {_duration((self.total - self.done) / rate)} left" if rate > 0 else ""
        percent = f" ({self.done / self.total:.0%})" if self.total else ""
        if self.unit == "bytes":
            line = f"{self.desc}: {size(self.done)} of {size(self.total)}{percent}"
            line += f", {size(rate)}/s{left}"
        else:
            line = f"{self.desc}: {self.done}/{self.total} {self.unit}{percent}"
            line += f", {rate:.4g} {self.unit}/s{left}"
        print(line, file=self._stream or sys.stderr, flush=True)
        self._last = now


def size(amount: float) -> str:
    """``amount`` bytes as 12 kB, 3.4 MB or 56 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:,.3g} {unit}" if amount < 1000 else f"{amount:,.0f} {unit}"


def _duration(seconds: float) -> str:
    """``seconds`` as 42s, 5m03s or 2h05m."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest}s"
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


@contextmanager
def progress(total: int, unit: str, desc: str, initial: int = 0) -> Iterator[Progress]:
    """Show how far a loop is, on standard error.

    Args:
        total: units of the whole work.
        unit: what is counted, for instance ``"updates"``.
        desc: what is being done, for instance ``"train_model cube-single-play seed 0"``.
        initial: units that an earlier, interrupted process already did.

    Yields:
        an object whose ``update(n)`` counts n more units; calling it often is cheap.
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        shown = {"unit": "B", "unit_scale": True} if unit == "bytes" else {"unit": f" {unit}"}
        with tqdm(total=total, desc=desc, initial=initial, **shown) as bar:
            yield bar
    else:
        lines = Lines(total, unit, desc, initial)
        try:
            yield lines
        finally:
            lines.write()
