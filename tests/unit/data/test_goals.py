import numpy as np
import pytest

from mac.config.schema import GoalMixture
from mac.data.goals import even_rows, geometric_rows, goal_rows, uniform_rows

DRAWS = 200_000


def frequencies(sampler, anchor, end, discount=0.9, rows=16):
    anchors, ends = np.full(DRAWS, anchor), np.full(DRAWS, end)
    drawn = sampler(np.random.default_rng(0), anchors, ends, discount)
    return np.bincount(drawn, minlength=rows) / DRAWS


def near(found, expected):
    bound = 5 * np.sqrt(np.maximum(expected * (1 - expected), 1e-9) / DRAWS)
    assert (np.abs(found - expected) <= bound).all(), (found, expected)


def test_uniform_rows_give_both_end_points_half_weight():
    expected = np.zeros(16)
    expected[3 + 1 : 9] = 1 / 5
    # anchor 3, end 9: interior rows 5 … 8 weigh 1/(e - i - 1), rows 4 and 9 half of it
    expected[[4, 9]] = 1 / 10
    near(frequencies(uniform_rows, 3, 9), expected)


def test_uniform_rows_next_to_the_end():
    near(frequencies(uniform_rows, 8, 9), np.eye(16)[9])
    near(frequencies(uniform_rows, 9, 9), np.eye(16)[9])
    near(frequencies(uniform_rows, 7, 9), (np.eye(16)[8] + np.eye(16)[9]) / 2)


def test_even_rows_weigh_the_same():
    expected = np.zeros(16)
    expected[4:10] = 1 / 6
    near(frequencies(even_rows, 3, 9), expected)
    near(frequencies(even_rows, 9, 9), np.eye(16)[9])


def test_geometric_rows_collect_at_the_end():
    expected = np.zeros(16)
    expected[4:9] = [0.1 * 0.9**k for k in range(5)]
    expected[9] = 0.9**5
    near(frequencies(geometric_rows, 3, 9), expected)
    near(frequencies(geometric_rows, 9, 9), np.eye(16)[9])


@pytest.mark.parametrize("current", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(("geometric", "even"), [(False, False), (True, False), (False, True)])
def test_mixture_probabilities(current, geometric, even):
    trajectory = 0.7 * (1 - current)
    mixture = GoalMixture(
        current=current,
        trajectory=trajectory,
        random=1 - current - trajectory,
        geometric=geometric,
        even=even,
    )

    def sampler(generator, anchors, ends, discount):
        valid = np.array([0, 1, 2, 3, 10, 11])
        return goal_rows(
            mixture, generator, anchors, ends, discount, lambda g, n: valid[g.integers(6, size=n)]
        )

    expected = np.zeros(16)
    expected[2] = current
    if geometric:
        expected[3:6] += trajectory * np.array([0.1, 0.09, 0.81])
    elif even:
        expected[3:6] += trajectory / 3
    else:
        expected[3:6] += trajectory * np.array([0.25, 0.5, 0.25])
    expected[[0, 1, 2, 3, 10, 11]] += mixture.random / 6
    near(frequencies(sampler, 2, 5), expected)
