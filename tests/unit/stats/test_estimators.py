import numpy as np
import pytest
from scipy import stats

from mac.rng import stream
from mac.stats.estimators import (
    iqm,
    iqm_standard_error,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from tests.unit.stats.published import Definitions


def test_iqm_by_hand_and_over_leading_axes():
    assert iqm([[0.0], [1.0], [2.0], [100.0]]) == 1.5
    many = stream(1, "iqm").random((6, 8, 5))
    assert iqm(many) == pytest.approx([Definitions.iqm(one) for one in many])


def test_one_outlier_does_not_move_the_iqm():
    scores = np.linspace(0, 1, 12).reshape(4, 3)
    moved = scores.copy()
    moved[-1, -1] = 1e6
    assert iqm(moved) == iqm(scores)


def test_standard_error_of_one_task_is_tukey_and_mclaughlins():
    x = stream(2, "iqm").normal(size=16)
    winsorised = np.sort(x)
    winsorised[:4], winsorised[-4:] = winsorised[4], winsorised[-5]
    expected = winsorised.std(ddof=1) / (0.5 * np.sqrt(16))
    assert iqm_standard_error(x[:, None]) == pytest.approx(expected)


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_standard_error_is_the_spread_of_the_estimate(shared):
    draws = stream(3, "iqm", str(shared))
    seeds, tasks = 12, 6
    x = draws.normal(size=(4000, seeds, tasks)) + shared * draws.normal(size=(4000, seeds, 1))
    assert np.sqrt((iqm_standard_error(x) ** 2).mean()) == pytest.approx(iqm(x).std(), rel=0.12)


def test_probability_of_improvement_is_mann_and_whitneys_u():
    draws = stream(4, "probability")
    ours, theirs = draws.integers(0, 6, size=8) / 5, draws.integers(0, 6, size=5) / 5
    found = probability_of_improvement(ours, theirs)
    assert found == pytest.approx(1.0 - probability_of_improvement(theirs, ours))
    u = stats.mannwhitneyu(ours, theirs).statistic
    assert found == pytest.approx(u / (len(ours) * len(theirs)))


def test_probability_of_improvement_at_its_ends():
    assert probability_of_improvement([1.0, 0.9], [0.1, 0.2]) == 1.0
    assert probability_of_improvement([0.5, 0.5], [0.5]) == 0.5
    both = probability_of_improvement(np.ones((3, 4)), np.zeros((3, 2)))
    assert both.shape == (3,) and (both == 1.0).all()


def test_a_profile_keeps_seeds_apart():
    scores = stream(5, "profile").integers(0, 11, size=(8, 5)) / 10
    thresholds = np.linspace(0, 1, 21)
    found = performance_profile(scores, thresholds)
    assert found.shape == (21, 8)
    assert found[:, 3] == pytest.approx(Definitions.profile(scores[3:4], thresholds))
    assert (np.diff(found, axis=0) <= 0).all() and (found[-1] == 0).all()


def test_the_area_under_a_profile_is_the_mean():
    scores = stream(6, "profile").integers(0, 51, size=(4, 3)) / 50
    middles = (np.arange(50) + 0.5) / 50  # between the values that 50 episodes can give
    assert performance_profile(scores, middles).mean() == pytest.approx(scores.mean())


def test_the_optimality_gap_counts_what_lacks_and_never_what_is_beyond():
    assert optimality_gap([[0.5, 2.0], [1.0, 0.0]]) == pytest.approx(1.5 / 4)
    assert optimality_gap([[0.5, 2.0], [1.0, 0.0]], target=3.0) == pytest.approx(3.0 - 3.5 / 4)
    rates = stream(7, "gap").random((6, 8, 5))
    assert optimality_gap(rates) == pytest.approx(1.0 - rates.mean((1, 2)))
