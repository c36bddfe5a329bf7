import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from mac.rng import stream
from mac.stats.compare import compare, improvement_matrix, paired_variances
from mac.stats.coverage import covered
from mac.stats.intervals import episode_interval
from mac.stats.sampling import sampling_variance
from mac.stats.scores import by_episode, cells
from tests.unit.stats.rows import episode_rows, make_run

TASKS = ["scene-play-singletask-task1-v0", "scene-play-singletask-task2-v0"]


def rows_of(rates, seeds, episodes=20, skip=()):
    """Rows of agents with the given rates, a number or a function of the seed."""
    frames = []
    for label, rate in rates.items():
        for task in TASKS:
            for seed in seeds:
                if (label, task, seed) in skip:
                    continue
                run = make_run(label, task, seed, episodes=episodes)
                p = rate(seed) if callable(rate) else rate
                frames.append(episode_rows(run, p, stream(seed, label, task)))
    return pd.concat(frames, ignore_index=True)


def difference(rows, seeds, tasks=TASKS):
    return compare(cells(rows), by_episode(rows), "mac", "flow_bc", tasks, seeds)


def test_difference_by_hand():
    rows = rows_of({"mac": 1.0, "flow_bc": 0.0}, [0, 1, 2, 3])
    found = difference(rows, [0, 1, 2, 3])
    assert found["difference"] == 1.0
    assert found["probability_of_improvement"] == 1.0
    assert found["seeds"] == 4 and found["tasks"] == 2
    # All seeds agree exactly, which is no proof that others would.
    assert found["ci_high"] == 1.0 and 0.8 < found["ci_low"] < 1.0
    assert 0.8 < found["episode_ci_low"] < 1.0


def test_an_agent_against_itself():
    rows = rows_of({"mac": 0.5}, [0, 1, 2, 3])
    rows = pd.concat([rows, rows.assign(agent="flow_bc")], ignore_index=True)
    found = difference(rows, [0, 1, 2, 3])
    assert found["difference"] == 0.0
    assert found["ci_low"] < 0.0 < found["ci_high"]
    assert found["probability_of_improvement"] == pytest.approx(0.5, abs=0.1)


def test_pairing_removes_what_seeds_share():
    """Seeds that are good or bad for both agents do not blur their difference."""
    seeds = list(range(8))
    rows = rows_of(
        {"mac": lambda s: 0.2 + 0.1 * s, "flow_bc": lambda s: 0.1 + 0.1 * s}, seeds, episodes=200
    )
    found = difference(rows, seeds)
    assert 0.0 < found["ci_low"] < 0.1 < found["ci_high"] < 0.2


def test_few_seeds_leave_the_episodes_interval():
    found = difference(rows_of({"mac": 0.7, "flow_bc": 0.2}, [0, 1], episodes=50), [0, 1])
    assert found["ci_low"] is None and found["ci_reason"] == "too few seeds"
    assert found["probability_ci_low"] is None
    assert 0.2 < found["episode_ci_low"] < found["difference"] < found["episode_ci_high"] < 0.8


def slow_cell(rows, task, seed):
    values = {}
    for label in ("mac", "flow_bc"):
        own = rows[(rows["agent"] == label) & (rows["task"] == task) & (rows["seed"] == seed)]
        values[label] = [bool(s) for s in own.sort_values("episode")["success"]]
    deltas = [int(a) - int(b) for a, b in zip(values["mac"], values["flow_bc"], strict=True)]
    padded = [*deltas, -1, 1]
    mean = sum(padded) / len(padded)
    variance = sum((d - mean) ** 2 for d in padded) / len(padded) / len(deltas)
    return sum(deltas) / len(deltas), variance


def test_the_episodes_interval_pairs_episode_by_episode():
    seeds = [0, 1, 2]
    rows = rows_of({"mac": 0.6, "flow_bc": 0.3}, seeds)
    found = difference(rows, seeds)
    slow = np.array([[slow_cell(rows, task, seed) for task in TASKS] for seed in seeds])
    expected = episode_interval(slow[..., 0], slow[..., 1])
    assert (found["episode_ci_low"], found["episode_ci_high"]) == pytest.approx(expected)
    assert found["difference"] == pytest.approx(slow[..., 0].mean())


def test_agents_with_other_numbers_of_episodes_are_not_paired_by_episode():
    rows = rows_of({"mac": 0.6, "flow_bc": 0.3}, [0])
    fewer = rows[(rows["agent"] == "mac") | (rows["episode"] < 10)]
    found = difference(fewer, [0], TASKS[:1])
    arms = by_episode(fewer)
    variance = sum(
        float(sampling_variance(arms[label, TASKS[0], 0].to_numpy()))
        for label in ("mac", "flow_bc")
    )
    half = (found["episode_ci_high"] - found["episode_ci_low"]) / 2
    assert half == pytest.approx(1.959964 * np.sqrt(variance), rel=1e-5)


def slow_sign_test(rows, seeds, tasks=TASKS):
    """Sum of binomial probabilities, in fractions, over the episodes that only one solved."""
    better = worse = 0
    for task in tasks:
        for seed in seeds:
            own = rows[(rows["task"] == task) & (rows["seed"] == seed)].set_index("episode")
            solved = {label: own[own["agent"] == label]["success"] for label in ("mac", "flow_bc")}
            for episode in solved["mac"].index.intersection(solved["flow_bc"].index):
                one, other = (bool(solved[label][episode]) for label in ("mac", "flow_bc"))
                better, worse = better + (one and not other), worse + (other and not one)
    decided = better + worse
    chances = (math.comb(decided, k) for k in range(better, decided + 1))
    return float(Fraction(sum(chances), 2**decided))


@pytest.mark.parametrize(("ours", "theirs"), [(0.6, 0.3), (0.5, 0.5), (0.3, 0.6), (0.0, 0.0)])
def test_the_sign_test_counts_episodes_that_only_one_solved(ours, theirs):
    rows = rows_of({"mac": ours, "flow_bc": theirs}, [0, 1, 2], skip={("mac", TASKS[0], 1)})
    fewer = rows[(rows["agent"] == "mac") | (rows["episode"] < 15)]
    for given in (rows, fewer):
        found = difference(given, [0, 1, 2])["p_value"]
        assert found == pytest.approx(slow_sign_test(given, [0, 2]), rel=1e-9)


def test_the_sign_test_holds_its_level_whatever_the_episodes_are():
    """Both agents alike, on episodes from hopeless to certain: at most 5 % of p are below 0.05."""
    draws = stream(0, "sign-test-level")
    low = 0
    for _ in range(400):
        chance = draws.random(50)
        frames = []
        for label in ("mac", "flow_bc"):
            run = make_run(label, TASKS[0], 0, episodes=50)
            rows = episode_rows(run, 0.5, draws)
            frames.append(rows.assign(success=draws.random(50) < chance))
        found = difference(pd.concat(frames, ignore_index=True), [0], TASKS[:1])
        low += found["p_value"] < 0.05
    assert low / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_only_seeds_that_both_completed_enter():
    rows = rows_of(
        {"mac": 0.9, "flow_bc": 0.1},
        range(5),
        skip={("mac", TASKS[1], 0), ("flow_bc", TASKS[0], 4)},
    )
    assert difference(rows, [0, 1, 2, 3, 4])["seeds"] == 3
    nothing = difference(rows, [7])
    assert nothing["seeds"] == 0 and nothing["difference"] is None
    assert nothing["ci_reason"] == "no seed in common" and nothing["p_value"] is None


def test_the_episodes_interval_of_a_difference_covers():
    draws = stream(0, "paired-coverage")
    count, seeds, tasks, episodes = 4000, 2, 2, 50
    start = draws.random((count, seeds, tasks, episodes))  # both agents start from the same states
    ours = start < 0.6
    theirs = (start < 0.3) ^ (draws.random(start.shape) < 0.05)
    truth = 0.6 - (0.3 * 0.95 + 0.7 * 0.05)
    cell = ours.mean(-1) - theirs.mean(-1)
    low, high = episode_interval(cell, paired_variances(ours.astype(float), theirs.astype(float)))
    assert 0.94 <= covered(low, high, truth) <= 0.985
    unpaired = sampling_variance(ours) + sampling_variance(theirs)
    wide = episode_interval(cell, unpaired)
    assert (wide[1] - wide[0]).mean() > 1.05 * (high - low).mean()


def test_the_matrix_holds_every_pairs_probability():
    rates = {"a": 0.7, "b": 0.4, "c": 0.1}
    rows = rows_of(rates, range(5), skip={("b", TASKS[0], 3)})
    found = cells(rows)
    matrix = improvement_matrix(found, ["a", "b", "c", "absent"], TASKS, list(range(5)))
    pair = compare(found, by_episode(rows), "a", "c", TASKS, list(range(5)))
    assert matrix[0, 2] == pytest.approx(pair["probability_of_improvement"])
    known = np.isfinite(matrix)
    assert known.sum() == 6 and not known[3].any() and not known.diagonal().any()
    assert matrix[:3, :3][known[:3, :3]] == pytest.approx((1 - matrix.T)[:3, :3][known[:3, :3]])
    scores = [found.loc["a", "score"].unstack("task"), found.loc["b", "score"].unstack("task")]
    whole = scores[1].dropna()  # a seed without all tasks does not enter
    wins = [np.sign(x - y) for t in TASKS for x in scores[0][t] for y in whole[t]]
    assert matrix[0, 1] == pytest.approx((1 + np.mean(wins)) / 2)
