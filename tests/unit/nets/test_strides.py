import pytest

from mac.errors import ConfigError
from mac.nets.strides import lengths


# algorithms.md 15.1 and the table of 15.2
@pytest.mark.parametrize(
    ("down", "up", "expected"),
    [
        ((3, 3, 3), (3, 3, 3), [9, 5, 3, 2, 3, 5, 9]),
        ((3, 3), (3, 3), [5, 3, 2, 3, 5]),
        ((4, 4), (4, 4), [8, 4, 2, 4, 8]),
        ((3, 3), (3, 3), [17, 9, 5, 9, 17]),
        ((4, 3), (3, 4), [26, 13, 7, 13, 26]),
        ((4, 4), (4, 4), [16, 8, 4, 8, 16]),
        ((3, 3, 3), (4, 4, 4), [32, 16, 8, 4, 8, 16, 32]),
        ((3, 3), (4, 4), [128, 64, 32, 64, 128]),
        ((), (), [5]),
    ],
)
def test_lengths_are_those_of_the_published_configurations(down, up, expected):
    assert lengths(expected[0], down, up) == expected


@pytest.mark.parametrize(
    ("rows", "down", "up", "way"),
    [
        (26, (4, 3), (3, 3), "26-13-7-13-25"),  # as published for maze2d-large
        (6, (3, 3), (4, 4), "6-3-2-4-8"),
        (2, (4, 4), (4, 4), "2-1-0-0-0"),
        (8, (4,), (4, 4), "8-4-8-16"),
        (9, (3, 3), (4, 2), "9-5-3-6-10"),
    ],
)
def test_a_way_up_that_does_not_retrace_the_way_down_is_refused(rows, down, up, way):
    with pytest.raises(
        ConfigError, match=f"kernels_down, kernels_up: .* {rows} rows .*found {way};"
    ):
        lengths(rows, down, up)
