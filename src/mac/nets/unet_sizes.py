"""Sizes of the temporal U-Net, told without torch (algorithms.md 15.1, 15.2)."""

from __future__ import annotations

from collections.abc import Sequence

GROUPS = 8  # of every GroupNorm
KERNEL = 5  # of a residual block's convolutions


def lengths(rows: int, down: Sequence[int], up: Sequence[int]) -> list[int]:
    """Numbers of rows on the way down and up again, convolutions of stride 2 and padding 1 between.

    Down, L becomes floor((L + 2 - k) / 2) + 1; up, by a transposed convolution, 2 L - 4 + k.

    Args:
        rows: L at the start.
        down: kernels k on the way down, first used first.
        up: kernels k on the way up, first used first.
    """
    way = [rows]
    for kernel in down:
        way.append((way[-1] + 2 - kernel) // 2 + 1)
    for kernel in up:
        way.append(2 * way[-1] - 4 + kernel)
    return way


def misfit(
    rows: int, widths: Sequence[int], down: Sequence[int], up: Sequence[int]
) -> tuple[str, str] | None:
    """What keeps the sizes of a U-Net from fitting together: the key and the reason, if any.

    Rows must be as many on the way up as they were on the way down, where skips come from.
    """
    if not len(down) == len(up) == len(widths) - 1:
        needed = f"{len(widths)} levels need {len(widths) - 1} kernels each way"
        return "kernels_down", f"{needed}, found {len(down)} down and {len(up)} up"
    way = lengths(rows, down, up)
    if min(way) < 1 or way != way[::-1]:
        remedy = "a kernel of 4 makes one of an even number and its half, 3 of an odd one"
        found = "-".join(map(str, way))
        return "kernels_up", f"do not retrace the way down, numbers of rows are {found}; {remedy}"
    if any(width % GROUPS for width in widths):
        return "hidden_dims", f"must be multiples of {GROUPS}, the number of GroupNorm's groups"
    return None


def products(
    rows: int,
    row_dim: int,
    widths: Sequence[int],
    down: Sequence[int],
    up: Sequence[int],
) -> list[tuple[int, int, int]]:
    """Matrix products of a forward pass of one window, (m, k, n) for (m, k) times (k, n).

    A convolution is a product of its kernel (k, n), k being its width times its input's.
    """
    way, found = lengths(rows, down, up), []
    embedding = widths[0]

    def level(length: int, i: int, j: int) -> None:
        for inputs in (i, j):
            found.extend([(length, KERNEL * inputs, j), (length, KERNEL * j, j), (1, embedding, j)])
        if i != j:
            found.append((length, i, j))

    found += [(1, embedding, 4 * embedding), (1, 4 * embedding, embedding)]
    for number, (i, j) in enumerate(zip((row_dim, *widths), widths, strict=False)):
        level(way[number], i, j)
        if number < len(down):
            found.append((way[number + 1], down[number] * j, j))
    middle = len(down)
    level(way[middle], widths[-1], widths[-1])
    for number, kernel in enumerate(up):
        i, j = widths[-1 - number], widths[-2 - number]
        level(way[middle + number], 2 * i, j)
        found.append((way[middle + number], kernel * j, j))
    return [*found, (rows, KERNEL * embedding, embedding), (rows, embedding, row_dim)]
