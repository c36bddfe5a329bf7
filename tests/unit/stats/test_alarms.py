"""The error rates of a comparison, by simulation: the promise behind every verdict."""

import numpy as np
import pytest

from mac.rng import stream
from mac.stats.alarms import (
    EPISODES,
    EVERY_MEAN,
    SETTINGS,
    SPREADS,
    compared,
    false_alarms,
    pair,
    power,
)
from mac.stats.change import ALPHA
from mac.stats.coverage import success_rates
from tests.architecture.source import ROOT

PAIRS = 1_000
LIMIT = 0.065  # ALPHA and two standard errors of a share of 1,000


@pytest.mark.parametrize("linked", [False, True], ids=["Welch", "paired"])
@pytest.mark.parametrize("seeds", [2, 4, 8])
@pytest.mark.parametrize("spread", SPREADS)
def test_equal_versions_alarm_rarely(spread, seeds, linked):
    """25 cells whose means go from 0 to 1; any row or the pooled test counts as an alarm."""
    assert false_alarms(seeds, spread, PAIRS, linked=linked)["any"] <= LIMIT


def test_without_correction_for_many_rows_they_would_not():
    sides = pair(stream(0, "naive"), PAIRS, 4, EVERY_MEAN, EVERY_MEAN, 0.05)
    _, cells, by_pool, by_cell = compared(*sides)
    assert (cells.p_value <= ALPHA).any(-1).mean() > 0.4
    assert by_pool.shape == (PAIRS, 1) and by_cell.shape == (PAIRS, 25)


def test_simulated_versions_are_as_ordered():
    means = np.array([[0.0, 0.3], [1.0, 0.6]])
    before, after = pair(stream(0, "sides"), 3000, 4, means, means / 2, 0.1)
    assert before.shape == (3000, 2, 2, 4)
    np.testing.assert_allclose(before.mean((0, -1)), means, atol=0.01)
    np.testing.assert_allclose(after.mean((0, -1)), means / 2, atol=0.01)
    assert (before[:, 0, 0] == 0).all() and (before[:, 1, 0] == 1).all()
    one = success_rates(stream(0, "one"), 3000, 4, 1, EPISODES, 0.3, 0.1, 0.0)
    assert before[:, 0, 1].var() == pytest.approx(one.var(), rel=0.1)
    between = np.corrcoef(before[:, 0, 1].ravel(), after[:, 0, 1].ravel())[0, 1]
    assert abs(between) < 0.05
    linked = pair(stream(0, "linked"), 3000, 4, means, means, 0.4, 0.9)
    assert np.corrcoef(linked[0][:, 0, 1].ravel(), linked[1][:, 0, 1].ravel())[0, 1] > 0.7


def test_larger_drops_more_seeds_and_fewer_cells_are_found_more_often():
    def found(seeds, drop, setting="the only row"):
        return power(seeds, drop, 0.95, setting, PAIRS)["cell"]

    assert found(4, 0.1) < found(4, 0.2) < found(8, 0.2)
    assert found(8, 0.2, "one row of 25") < found(8, 0.2, "all 4 rows") < found(8, 0.2)
    assert power(8, 0.1, 0.95, "all 25 rows", PAIRS)["alarm"] > 0.95  # the pooled test
    assert all(np.zeros(shape)[where].size for shape, where in SETTINGS.values())


def test_the_documented_tables_are_what_the_command_prints():
    """One line of either table, computed as `python -m mac.stats.alarms` does."""
    page = (ROOT / "docs/diff.md").read_text()
    welch = [false_alarms(n, 0.1, 20_000)["any"] for n in (2, 4, 8)]
    line = "| 0.1 | " + " | ".join(f"{100 * rate:.1f}" for rate in welch)
    assert line in page
    rows = [power(n, 0.2, 0.95, "all 4 rows", 5_000) for n in (4, 8)]
    cells = [f"{100 * row[key]:.0f}" for row in rows for key in ("alarm", "cell")]
    assert f"| all 4 rows | 95 | 75 | {' | '.join(cells)} |" in page
