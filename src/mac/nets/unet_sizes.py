"""Sizes of the temporal U-Net, told without torch (algorithms.md 15.1, 15.2)."""

from __future__ import annotations

from collections.abc import Sequence

from mac.errors import ConfigError

KERNEL = 5  # of a residual block's convolutions


def lengths(rows: int, down: Sequence[int], up: Sequence[int]) -> list[int]:
    """Numbers of rows on the way down and up again, convolutions of stride 2 and padding 1 between.

    Down, L becomes floor((L + 2 - k) / 2) + 1; up, by a transposed convolution, 2 L - 4 + k.

    Args:
        rows: L at the start.
        down: kernels k on the way down, first used first.
        up: kernels k on the way up, first used first.

    Raises:
        ConfigError: a way up that does not retrace the way down.
    """
    way = [rows]
    for kernel in down:
        way.append((way[-1] + 2 - kernel) // 2 + 1)
    for kernel in up:
        way.append(2 * way[-1] - 4 + kernel)
    if min(way) < 1 or len(down) != len(up) or way != way[::-1]:
        raise ConfigError(
            f"do not bring {rows} rows back",
            key="kernels_down, kernels_up",
            found="-".join(map(str, way)),
            expected="the same numbers of rows up as down",
            remedy="a kernel of 4 makes one of an even number and its half, 3 of an odd one",
        )
    return way


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
