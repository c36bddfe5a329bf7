import numpy as np
import pytest
from scipy import stats

from mac.rng import stream
from mac.stats import intervals
from mac.stats.coverage import covered, success_rates
from mac.stats.intervals import (
    bootstrap_interval,
    episode_interval,
    iqm_interval,
    pooled_variance,
    seed_interval,
    t_interval,
)

RATE = (0.0, 1.0)


# --- Student's t over seeds ---


def test_t_interval_by_hand():
    # Mean 0.5, squared deviations sum to 0.08, t(0.975, 3) = 3.182446305.
    seeds = np.array([0.3, 0.5, 0.5, 0.7])
    half = 3.182446305 * np.sqrt(0.08 / 3) / 2
    found = seed_interval(seeds, bounds=RATE)
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half))
    assert found.reason is None


def test_t_interval_agrees_with_scipy_on_all_rows_at_once():
    seeds = stream(0, "t").random((5, 8))
    low, high = t_interval(seeds)
    expected = stats.t.interval(0.95, 7, seeds.mean(1), stats.sem(seeds, axis=1))
    assert low == pytest.approx(expected[0]) and high == pytest.approx(expected[1])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_seeds_have_no_interval_but_a_reason(count):
    found = seed_interval(np.linspace(0, 1, count), bounds=RATE)
    assert (found.low, found.high, found.reason) == (None, None, "too few seeds")
    assert found.columns() == {"ci_low": None, "ci_high": None, "ci_reason": "too few seeds"}
    assert bootstrap_interval(np.zeros((count, 2)), stream(0)).reason == "too few seeds"
    assert iqm_interval(np.zeros((count, 9)), stream(0)).reason == "too few seeds"


@pytest.mark.parametrize("rate", [0.0, 1.0, 0.2])
def test_seeds_that_agree_are_no_proof_of_certainty(rate):
    found = seed_interval(np.full(8, rate), sampling_variance=0.01**2, bounds=RATE)
    assert found.high > found.low
    assert 0.0 <= found.low <= rate <= found.high <= 1.0
    assert "agree" in found.reason


def test_rounding_is_no_spread():
    seeds = np.array([0.1 + 0.2, 0.3, 0.3, 0.3])
    assert "agree" in seed_interval(seeds, 1e-4, RATE).reason


def test_the_interval_stays_within_its_bounds():
    found = seed_interval(np.array([0.0, 0.0, 0.0, 0.3]), bounds=RATE)
    assert found.low == 0.0
    assert seed_interval(np.array([0.0, 0.0, 0.0, 0.3])).low < 0.0


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seeds", [4, 8])
def test_the_default_interval_covers_whatever_tasks_share(seeds, shared):
    for mean in (0.2, 0.5, 0.8):
        draws = stream(1, "coverage", seeds, str(shared), str(mean))
        scores = success_rates(draws, 6000, seeds, 5, 50, mean, 0.05, shared)
        found = covered(*t_interval(scores.mean(-1)), mean)
        assert 0.93 <= found <= 0.97, (mean, found)


def test_only_the_default_interval_covers_when_tasks_share_a_seed():
    """Why it is the default: the field's bootstrap takes the tasks' runs for independent."""
    scores = success_rates(stream(2, "coverage"), 250, 8, 10, 50, 0.5, 0.1, 1.0)
    ends = [bootstrap_interval(one, stream(0, "b")) for one in scores]
    low, high = (np.array([getattr(e, side) for e in ends]) for side in ("low", "high"))
    assert covered(low, high, 0.5) < 0.6
    assert covered(*t_interval(scores.mean(-1)), 0.5) > 0.9


# --- The field's bootstrap ---


def slow_bootstrap(scores, draws, resamples):
    seeds, tasks = scores.shape
    means = []
    for _ in range(resamples):
        total = 0.0
        for task in range(tasks):
            chosen = [scores[draws.integers(seeds), task] for _ in range(seeds)]
            total += sum(chosen) / seeds
        means.append(total / tasks)
    return np.quantile(means, [0.025, 0.975])


def test_bootstrap_resamples_seeds_within_tasks():
    scores = stream(3, "bootstrap").random((5, 3))
    found = bootstrap_interval(scores, stream(0, "fast"))
    slow = slow_bootstrap(scores, stream(0, "slow"), 3000)
    assert (found.low, found.high) == pytest.approx(slow, abs=0.02)


def test_bootstrap_does_not_confuse_tasks():
    scores = np.tile([0.0, 1.0], (6, 1))  # one task never, one always solved
    found = bootstrap_interval(scores, stream(0))
    assert (found.low, found.high) == (0.5, 0.5)


def test_draws_follow_the_given_generator_and_no_other():
    scores = stream(4, "bootstrap").random((8, 5))
    results = []
    for seed in (0, 1):
        np.random.seed(seed)  # noqa: NPY002  # must not matter
        results.append(
            (
                bootstrap_interval(scores, stream(0, "x")),
                iqm_interval(scores, stream(0, "x")),
            )
        )
    assert results[0] == results[1]
    assert bootstrap_interval(scores, stream(1, "x")) != results[0][0]


# --- The IQM's bootstrap-t ---


def slow_iqm_interval(scores, draws, resamples):
    seeds = len(scores)
    estimate, error = intervals.iqm(scores), intervals.iqm_standard_error(scores)
    values = []
    for _ in range(resamples):
        again = scores[[draws.integers(seeds) for _ in range(seeds)]]
        if intervals.iqm_standard_error(again) > 1e-9:
            difference = intervals.iqm(again) - estimate
            values.append(difference / intervals.iqm_standard_error(again))
    low, high = np.quantile(values, [0.025, 0.975])
    return estimate - high * error, estimate - low * error


def test_iqm_interval_resamples_whole_seeds():
    scores = stream(5, "iqm-interval").random((8, 4))
    found = iqm_interval(scores, stream(0, "fast"))
    slow = slow_iqm_interval(scores, stream(0, "slow"), 2000)
    assert (found.low, found.high) == pytest.approx(slow, abs=0.03)


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_iqm_interval_covers(monkeypatch, shared):
    monkeypatch.setattr(intervals, "RESAMPLES", 400)
    draws = stream(6, "coverage", str(shared))
    scores = success_rates(draws, 300, 8, 5, 50, 0.5, 0.1, shared)
    ends = [iqm_interval(one, draws) for one in scores]  # symmetric, so the true IQM is 0.5
    low, high = (np.array([getattr(e, side) for e in ends]) for side in ("low", "high"))
    assert 0.9 <= covered(low, high, 0.5) <= 0.99


def test_iqm_interval_says_why_there_is_none():
    assert iqm_interval(np.zeros((8, 1)), stream(0)).reason == "too few runs"
    assert iqm_interval(np.zeros((8, 2)), stream(0)).reason == "no spread"


# --- Episodes ---


def test_pooled_variance_is_that_of_the_mean():
    cells = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    assert pooled_variance(cells) == pytest.approx(cells.sum() / 36)
    assert pooled_variance(cells, axis=0) == pytest.approx(cells.sum(0) / 4)


def slow_episode_interval(cells, variances):
    seeds, tasks = cells.shape
    total = 0.0
    for task in range(tasks):
        within = sum(variances[seed, task] for seed in range(seeds)) / seeds**2
        between = 0.0
        if seeds > 1:
            mean = sum(cells[:, task]) / seeds
            between = sum((x - mean) ** 2 for x in cells[:, task]) / (seeds - 1) / seeds
        total += max(within, between)
    half = 1.959963985 * np.sqrt(total) / tasks
    return cells.mean() - half, cells.mean() + half


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_episode_interval_takes_the_larger_of_two_variances(seeds):
    draws = stream(7, "episodes", seeds)
    cells, variances = draws.random((seeds, 4)), draws.random((seeds, 4)) / 20
    found = episode_interval(cells, variances)
    assert found == pytest.approx(slow_episode_interval(cells, variances))


def test_episode_interval_widens_when_seeds_disagree_but_not_when_tasks_do():
    variances = np.full((2, 2), 0.0025)
    same = episode_interval(np.array([[0.5, 0.5], [0.5, 0.5]]), variances)
    tasks = episode_interval(np.array([[0.1, 0.9], [0.1, 0.9]]), variances)
    seeds = episode_interval(np.array([[0.1, 0.1], [0.9, 0.9]]), variances)
    assert tasks == pytest.approx(same)
    assert seeds[1] - seeds[0] > 3 * (same[1] - same[0])


@pytest.mark.parametrize("seeds", [1, 2])
def test_episode_interval_covers_when_only_episodes_vary(seeds):
    for mean in (0.02, 0.3, 0.9):
        draws = stream(8, "coverage", seeds, str(mean))
        rates = success_rates(draws, 6000, seeds, 2, 50, mean, 0.0, 0.0)
        p = (rates * 50 + 1) / 52
        found = covered(*episode_interval(rates, p * (1 - p) / 50), mean)
        assert 0.92 <= found <= (1.0 if mean < 0.1 else 0.985), (mean, found)
