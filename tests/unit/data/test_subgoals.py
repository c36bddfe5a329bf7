"""Steps of several rows against a slow loop, and which rows single steps start from."""

from types import SimpleNamespace

import numpy as np
import pytest

from mac.config.schema import ActorGoals, GoalsConfig, ValueGoals
from mac.data.normalize import Normalizer
from mac.data.views import VIEWS, Subgoals
from tests.unit.data.test_views import slow_anchors

STEPS, DISCOUNT = 3, 0.9


def subgoals(split, identity, **options):
    goals = {"value_goals": ValueGoals(), "actor_goals": ActorGoals()}
    return Subgoals(split, identity, STEPS, DISCOUNT, **goals, **options)


def slow(i, end, goal):
    """Steps until the goal, the S-th row or the trajectory's end, whichever comes first."""
    k = 0
    while k < STEPS and i + k < end and i + k != goal:
        k += 1
    return k


@pytest.mark.parametrize("negative", [True, False])
@pytest.mark.parametrize("exact", [True, False])
def test_batch_against_a_slow_loop(split, identity, negative, exact):
    view = subgoals(split, identity, negative=negative, exact_success=exact)
    anchors, ends = view.anchors.rows(np.arange(len(view)))
    assert anchors.tolist() == slow_anchors(split, 0)
    rows = [
        (i, e, j) for i, e in zip(anchors, ends, strict=True) for j in np.flatnonzero(split.valids)
    ]
    i, e, j = np.array(rows).T
    batch = view.batch(i, e, j, j[::-1])
    seen = set()
    for place, (anchor, end, goal) in enumerate(rows):
        k, other = slow(anchor, end, goal), slow(anchor, end, j[len(rows) - 1 - place])
        success = goal == anchor + k if exact else k < STEPS
        if negative:
            reward = -sum(DISCOUNT**step for step in range(k))
        else:
            reward = DISCOUNT**k * success
        assert batch.rewards[place] == pytest.approx(reward, abs=1e-6)
        assert batch.masks[place] == 1 - success
        assert batch.discounts[place] == pytest.approx(DISCOUNT**k)
        assert batch.observations[place, 0] == anchor
        assert batch.actions[place].tolist() == split.actions[anchor][None].tolist()
        assert batch.next_observations[place, 0] == anchor + k
        assert batch.value_goals[place] == split.goals[goal]
        assert batch.value_subgoals[place] == split.goals[anchor + k]
        assert batch.actor_goals[place] == split.goals[j[len(rows) - 1 - place]]
        assert batch.actor_subgoals[place] == split.goals[anchor + other]
        assert batch.low_goals[place] == split.goals[min(anchor + STEPS, end)]
        seen.add((bool(goal == anchor + k), bool(k < STEPS)))
    assert len(seen) == 4  # reached or not, in fewer than S steps or not


def test_samples_are_float32_of_the_same_stream(split):
    scale = Normalizer(*(np.asarray(x, np.float32) for x in ([1, 2], [3, 4], [1000], [7])))
    view = subgoals(split, scale)
    first, again, other = (view.sample(np.random.default_rng(n), 64) for n in (0, 0, 1))
    for key, array in vars(first).items():
        assert array.dtype == np.float32, key
        assert np.array_equal(array, getattr(again, key)), key
    assert not np.array_equal(first.observations, other.observations)


@pytest.mark.parametrize(
    ("name", "mode", "all_anchors", "lost"),
    [
        ("transitions", "goal", False, 0),
        ("transitions", "reward", False, 2),
        ("transitions", "reward", True, 0),
        ("steps", "reward", False, 0),
        ("subgoals", "goal", False, 0),
    ],
)
def test_rows_that_single_steps_start_from(split, identity, name, mode, all_anchors, lost):
    config = SimpleNamespace(
        mode=mode,
        discount=DISCOUNT,
        goals=GoalsConfig(),
        data=SimpleNamespace(all_anchors=all_anchors),
        subgoal_steps=STEPS,
        exact_success=False,
    )
    view = VIEWS[name].configured(config, split, identity, 1)
    assert view.anchors.all().tolist() == slow_anchors(split, lost)
