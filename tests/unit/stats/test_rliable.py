"""The estimators mean what rliable's mean; docs/statistics.md says which interval is which."""

import numpy as np
import pytest

from mac.rng import stream
from mac.stats import compare
from mac.stats.estimators import (
    iqm,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from mac.stats.intervals import bootstrap_interval
from tests.unit.stats.published import SOURCES, resampled_means, resampled_probabilities

SHAPES = [(1, 1), (2, 1), (3, 1), (4, 1), (2, 2), (4, 5), (5, 3), (8, 25)]


@pytest.fixture(params=SOURCES, ids=lambda source: source.__name__)
def published(request):
    return request.param()


def success_rates(seeds, tasks, name="ours"):
    """Success rates of 20 episodes, with the ties that such rates have."""
    draws = stream(0, "rliable", name, seeds, tasks)
    return draws.binomial(20, draws.random((seeds, tasks))) / 20


def returns(seeds, tasks):
    """Scores of any size, some beyond every target."""
    return stream(1, "rliable", seeds, tasks).normal(1.0, 2.0, size=(seeds, tasks))


@pytest.mark.parametrize("scores", [success_rates, returns])
@pytest.mark.parametrize("shape", SHAPES)
def test_interquartile_mean(published, shape, scores):
    runs = scores(*shape)
    assert iqm(runs) == pytest.approx(published.iqm(runs), abs=1e-12)


@pytest.mark.parametrize("target", [1.0, 0.5, 3.0])
@pytest.mark.parametrize("scores", [success_rates, returns])
def test_optimality_gap(published, scores, target):
    runs = scores(8, 5)
    assert optimality_gap(runs, target) == pytest.approx(
        published.optimality_gap(runs, target), abs=1e-12
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_performance_profile(published, shape):
    """The shares of the seeds are ours; their mean is the profile."""
    runs = success_rates(*shape)
    thresholds = np.arange(21) / 20  # where the rates lie: above means strictly above
    found = performance_profile(runs, thresholds).mean(1)
    assert found == pytest.approx(published.profile(runs, thresholds), abs=1e-12)


@pytest.mark.parametrize(("ours", "theirs"), [(4, 4), (8, 8), (8, 5), (1, 3)])
def test_probability_of_improvement(published, ours, theirs):
    x, y = success_rates(ours, 5), success_rates(theirs, 5, "theirs")
    y[:, 0] = x[0, 0]  # a task with ties only on one side
    found = probability_of_improvement(x.T, y.T).mean()
    assert found == pytest.approx(published.probability_of_improvement(x, y), abs=1e-12)


def test_probability_of_improvement_of_equals(published):
    x = success_rates(4, 3)
    found = probability_of_improvement(x.T, x.T).mean()
    assert found == 0.5 == published.probability_of_improvement(x, x)


def cuts_off_a_tail(low, high, values):
    """Whether the ends are the percentiles 2.5 and 97.5 of ``values``.

    Both libraries draw 2,000 resamples of all there are, each with a generator of its own: the
    share beyond an end then has a standard deviation of 0.35 %, of which five are allowed.
    """
    values, slack = np.asarray(values), 5 * np.sqrt(0.025 * 0.975 / 2000)

    def share(beyond, at_least):
        return beyond.mean() < 0.025 + slack and at_least.mean() > 0.025 - slack

    eps = 1e-12
    return share(values < low - eps, values <= low + eps) and share(
        values > high + eps, values >= high - eps
    )


@pytest.mark.parametrize("shape", [(4, 2), (5, 1)])
def test_stratified_bootstrap(published, shape):
    """The column ``95 % bootstrap``; the default interval is another one on purpose."""
    runs = returns(*shape)
    every = resampled_means(runs)
    found = bootstrap_interval(runs, stream(0, "rliable"))
    assert cuts_off_a_tail(found.low, found.high, every)
    assert cuts_off_a_tail(*published.bootstrap_of_the_mean(runs), every)


def test_whole_seeds_resampled_would_be_told_apart():
    """The comparison above can fail: seeds drawn whole give a wider interval where they differ."""
    runs = np.linspace(0, 1, 4)[:, None] + np.zeros(2)
    whole = np.quantile(resampled_means(runs.mean(1, keepdims=True)), [0.025, 0.975])
    assert not cuts_off_a_tail(*whole, resampled_means(runs))


def test_stratified_bootstrap_of_the_probability_of_improvement(published):
    ours, theirs = returns(4, 1), returns(4, 2)[:, 1:]
    every = resampled_probabilities(ours, theirs)
    found = compare._probability_interval(ours, theirs)
    assert cuts_off_a_tail(found.low, found.high, every)
    assert cuts_off_a_tail(*published.bootstrap_of_the_probability(ours, theirs), every)
