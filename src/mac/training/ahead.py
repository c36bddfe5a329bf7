"""Batches drawn on the processor while the GPU is at work on the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(draw: Callable[[int], T], steps: range, *, enabled: bool) -> Iterator[T]:
    """``draw(step)`` of every step, in order; each is begun when the one before is taken.

    Whether it is enabled changes no result: what is drawn is a function of the step. On a CPU the
    thread would only take turns with the update.
    """
    if not enabled:
        yield from map(draw, steps)
        return
    with ThreadPoolExecutor(1, "batches") as pool:
        coming = None
        for step in steps:
            current = pool.submit(draw, step) if coming is None else coming
            found = current.result()
            coming = pool.submit(draw, step + steps.step) if step != steps[-1] else None
            yield found
