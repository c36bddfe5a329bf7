import numpy as np
import pytest

from mac.config.schema import ActorGoals, ValueGoals
from mac.data.views import Chunks, Outcomes


def outcomes(split, identity, mode, kind=Outcomes, **options):
    goals = {"value_goals": ValueGoals(), "actor_goals": ActorGoals()} if mode == "goal" else {}
    return kind(split, identity, 3, 0.9, mode, 2, **goals, **options)


def trajectory_end(split, row):
    episode = np.searchsorted(split.starts, row, side="right") - 1
    return split.starts[episode] + split.lengths[episode] - 1


@pytest.mark.parametrize("taken", [1, 2, 3])
@pytest.mark.parametrize("mode", ["reward", "goal"])
def test_first_actions_and_every_state_that_follows(split, identity, taken, mode):
    view = outcomes(split, identity, mode, taken=taken, all_anchors=True)
    anchors = view.anchors.all()
    goals = (anchors, anchors) if mode == "goal" else ()
    batch, chunks = view.batch(anchors, *goals), outcomes(split, identity, mode, Chunks)
    for place, i in enumerate(anchors):
        assert batch.actions[place].tolist() == split.actions[i : i + taken].tolist()
        assert batch.outcomes[place].tolist() == split.observations[i + 1 : i + 4].tolist()
    whole = chunks.batch(anchors, *goals)
    for name, value in vars(whole).items():
        if name != "actions":
            assert np.array_equal(getattr(batch, name), value), name


@pytest.mark.parametrize("first", [False, True])
def test_returns_to_go_are_undiscounted_sums_to_the_end_of_the_trajectory(split, identity, first):
    view = outcomes(split, identity, "reward", first_return=first, all_anchors=True)
    anchors = view.anchors.all()
    found = view.batch(anchors).returns_to_go
    assert found.shape == (1 if first else 4, len(anchors))
    for place, i in enumerate(anchors):
        end = trajectory_end(split, i)
        for later in range(len(found)):
            expected = sum(split.rewards[1, j] for j in range(i + later, end + 1))
            assert found[later, place] == pytest.approx(expected, abs=1e-5)


def test_a_goal_lies_ahead_from_here_to_before_the_end_of_the_trajectory(split, identity):
    view = outcomes(split, identity, "goal")
    pairs = [(i, j) for i in view.anchors.all() for j in np.flatnonzero(split.valids)]
    anchors, goals = np.array(pairs).T
    found = view.batch(anchors, goals, goals).returns_to_go
    assert found.shape == (1, len(pairs)) and found.dtype == np.float32
    for place, (i, j) in enumerate(pairs):
        assert found[0, place] == (i <= j < trajectory_end(split, i))
    assert 0 < found.mean() < 1
