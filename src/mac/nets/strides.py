"""How many rows strided convolutions leave (algorithms.md 15.2)."""

from __future__ import annotations

from collections.abc import Sequence

from mac.errors import ConfigError


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
