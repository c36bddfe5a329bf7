"""When unfinished work leaves early: on a signal, or before the end of its run-time limit.

A scheduler that tracks processes by control group ends a job at its limit without telling it: the
signal that announces the end reaches the outermost process alone. Work therefore knows its limit.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

UNFINISHED = os.EX_TEMPFAIL  # exit code of work that ran out of time: call it again

# What a cluster's job still does when its work has ended, on a slow file system; of a short limit a
# quarter at most.
AFTER_S = 120.0


class Interrupted(SystemExit):
    """Unfinished work is saved and leaves; a later call goes on from there.

    The exit code is 128 plus the signal's number, or ``UNFINISHED``.
    """


class Deadline:
    """The end of a run-time limit.

    Args:
        minutes: the limit; None for none.
        since: when it began, in seconds since the epoch; None for now.
        clock: seconds, from anywhere.
    """

    def __init__(
        self,
        minutes: float | None = None,
        since: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limit = math.inf if minutes is None else 60.0 * minutes
        past = 0.0 if since is None else max(0.0, time.time() - since)
        self._clock, self._end = clock, clock() - past + limit - min(AFTER_S, limit / 4)

    def near(self, seconds: float = 0.0) -> bool:
        """Whether work of so many seconds would no longer be done in time."""
        return self._clock() + seconds >= self._end


@contextmanager
def signalled(*, at_once: bool = False) -> Iterator[Callable[[], int]]:
    """Function that tells the exit code which SIGTERM or SIGINT asks for, 0 without any.

    ``at_once`` also raises :class:`Interrupted` where the signal finds the work. That may be inside
    a library, which takes it for an error of its own or swallows it: whatever error comes after a
    signal is the signal's, and the function tells of it in any case.
    """
    received = [0]

    def note(number: int, frame: object) -> None:
        received[0] = 128 + number
        if at_once:
            raise Interrupted(received[0])

    previous = {s: signal.signal(s, note) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: received[0]
    except Exception:
        if not received[0]:
            raise
        raise Interrupted(received[0]) from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
