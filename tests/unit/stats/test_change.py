import numpy as np
import pytest
from scipy import stats

from mac.rng import stream
from mac.stats.change import (
    ALPHA,
    Change,
    adjust,
    holm,
    mean_change,
    paired,
    seed_values,
    unpaired,
)
from mac.stats.coverage import binomial_variances

NO_FLOOR = np.zeros(())


def test_unpaired_is_welch():
    draws = stream(0, "welch")
    before, after = draws.uniform(size=(5, 4)), draws.uniform(size=(5, 7))
    change = unpaired(before, after, np.zeros(5), np.zeros(5))
    expected = stats.ttest_ind(after, before, axis=-1, equal_var=False)
    np.testing.assert_allclose(change.p_value, expected.pvalue)
    np.testing.assert_allclose(change.freedom, expected.df)
    ends = expected.confidence_interval(0.95)
    np.testing.assert_allclose(change.interval[0], np.clip(ends.low, -1, 1))
    np.testing.assert_allclose(change.interval[1], np.clip(ends.high, -1, 1))


def test_paired_is_student_on_the_differences():
    draws = stream(0, "paired")
    before, after = draws.uniform(size=(2, 5, 4))
    change = paired(after - before, np.zeros(5))
    np.testing.assert_allclose(change.p_value, stats.ttest_rel(after, before, axis=-1).pvalue)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_cells_at_the_ends_are_not_degenerate(level):
    """Three failures among 200 episodes that all succeeded, or the reverse, are noise."""
    seeds = np.full(4, level)
    other = np.abs(level - np.array([0.02, 0.0, 0.04, 0.0]))
    floors = [binomial_variances(rates, 50).mean() / 4 for rates in (seeds, other)]
    assert unpaired(seeds, seeds, *(np.asarray(floors[0]),) * 2).p_value == 1.0
    change = unpaired(seeds, other, *map(np.asarray, floors))
    assert 0.05 < change.p_value < 1
    low, high = change.interval
    assert low < 0 < high


def test_the_spread_never_counts_for_less_than_the_episodes():
    seeds = np.array([0.50, 0.51, 0.50, 0.51])
    floor = np.asarray(0.25 / 50 / 4)
    assert unpaired(seeds, seeds + 0.1, floor, floor).variance == pytest.approx(2 * floor)
    assert paired(np.full(4, 0.1), floor).variance == pytest.approx(floor)
    wide = np.array([0.1, 0.9, 0.2, 0.8])
    assert paired(wide, floor).variance == pytest.approx(wide.var(ddof=1) / 4)


def test_mean_of_changes_weighs_them():
    values = (np.array(x) for x in ([0.1, 0.4], [0.01, 0.04], [3.0, 6.0]))
    mean = mean_change(Change(*values), np.array([3, 1]))
    assert mean.difference == pytest.approx(0.175)
    parts = np.array([0.01 * 9 / 16, 0.04 / 16])
    assert mean.variance == pytest.approx(parts.sum())
    assert mean.freedom == pytest.approx(parts.sum() ** 2 / (parts**2 / [3, 6]).sum())


def test_seed_values_are_means_over_cells_where_all_are_there():
    cells = stream(0, "cells").uniform(size=(3, 4, 5))
    np.testing.assert_allclose(seed_values(cells), cells.mean(-1))


def test_seed_values_of_uneven_cells_keep_every_cells_weight():
    cells = np.array([[0.1, 0.5], [0.3, np.nan], [np.nan, 0.9], [0.5, 0.7]])
    values = seed_values(cells)
    assert values.mean() == pytest.approx((0.3 + 0.7) / 2)
    np.testing.assert_allclose(values, 0.5 + 4 * np.array([-0.4, 0.0, 0.2, 0.2]) / 6)


def step_down(p_values, level):
    """Holm's procedure as it is written down: which hypotheses are rejected."""
    rejected = [False] * len(p_values)
    for done, index in enumerate(np.argsort(p_values)):
        if p_values[index] > level / (len(p_values) - done):
            break
        rejected[index] = True
    return rejected


def test_holm_rejects_what_the_step_down_procedure_rejects():
    draws = stream(0, "holm")
    for _ in range(200):
        p_values = draws.beta(0.3, 3, size=6)
        assert (holm(p_values) <= ALPHA).tolist() == step_down(p_values, ALPHA)
    many = draws.uniform(size=(4, 3, 7))
    np.testing.assert_array_equal(holm(many)[2, 1], holm(many[2, 1]))
    assert holm(np.array([])).shape == (0,)


def test_both_families_share_the_level():
    """Cells have 4 %, and all of the 5 % once the pooled test has rejected at its 1 %."""
    share, rest = 0.01, 0.04
    draws = stream(0, "families")
    for _ in range(200):
        pooled, cells = draws.beta(0.2, 5, size=1), draws.beta(0.3, 3, size=5)
        first, second = adjust(pooled, cells)
        assert (first <= ALPHA).tolist() == [pooled[0] <= share]
        level = ALPHA if pooled[0] <= share else rest
        assert (second <= ALPHA).tolist() == step_down(cells, level)


def test_cells_alone_have_the_whole_level():
    cells = np.array([0.02, 0.03])
    first, second = adjust(np.empty(0), cells)
    assert first.shape == (0,)
    np.testing.assert_array_equal(second, holm(cells))
