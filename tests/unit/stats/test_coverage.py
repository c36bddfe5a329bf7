import numpy as np
import pytest

from mac.rng import stream
from mac.stats.coverage import binomial_variances, by_method, covered, success_rates
from mac.stats.intervals import pooled_variance, t_interval
from mac.stats.sampling import sampling_variance


@pytest.mark.parametrize("mean", [0.1, 0.5])
def test_simulated_runs_are_as_ordered(mean):
    rates = success_rates(stream(0, "sim"), 4000, 2, 3, 50, mean, 0.1, 0.5)
    assert rates.shape == (4000, 2, 3)
    assert rates.mean() == pytest.approx(mean, abs=0.01)
    # Variance: of the runs' rates, plus that of 50 episodes around them.
    expected = mean * (1 - mean) * (0.1 + 0.9 / 50)
    assert rates.var() == pytest.approx(expected, rel=0.05)


def test_only_tasks_of_one_seed_are_correlated():
    rates = success_rates(stream(1, "sim"), 6000, 2, 2, 2000, 0.5, 0.1, 0.8)
    of = np.corrcoef(rates.reshape(len(rates), 4).T)
    assert of[0, 1] == pytest.approx(0.8, abs=0.05) and abs(of[0, 2]) < 0.05


def test_variances_are_those_of_single_episodes():
    episodes = np.array([1, 1, 0, 1, 0])
    assert binomial_variances(np.array(0.6), 5) == pytest.approx(sampling_variance(episodes))


def test_covered_counts_both_ends():
    assert covered(np.array([0.1, 0.5, 0.6]), np.array([0.5, 0.9, 0.9]), 0.5) == pytest.approx(
        2 / 3
    )


def test_every_method_is_measured_where_it_exists():
    assert set(by_method(0.5, 2, 2, 0.0, count=50)) == {"episodes"}
    assert set(by_method(0.5, 4, 2, 0.0, count=20)) == {"episodes", "seeds", "bootstrap"}
    assert set(by_method(0.5, 4, 5, 0.0, count=20)) == {"episodes", "seeds", "bootstrap", "IQM"}


@pytest.mark.parametrize("seeds", [4, 8])
@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("mean", [0.15, 0.3, 0.5, 0.7, 0.85])
def test_the_default_interval_holds_its_level_away_from_0_and_1(mean, shared, seeds):
    draws = stream(2, "coverage", f"{mean} {shared} {seeds}")
    rates = success_rates(draws, 20_000, seeds, 5, 50, mean, 0.05, shared)
    ends = t_interval(rates.mean(-1), pooled_variance(binomial_variances(rates, 50)))
    assert 0.93 <= covered(*ends, mean) <= 0.97
