import numpy as np
import pytest

from mac.data.normalize import Normalizer
from mac.data.views import Sequences
from mac.errors import DataError


def slow_starts(split, steps, lost):
    """Every row of an episode from which ``steps`` rows are left before its final state."""
    starts = []
    for start, length in zip(split.starts.tolist(), split.lengths.tolist(), strict=True):
        possible = [start + i for i in range(length) if i + steps <= length]
        starts += possible[: len(possible) - lost]
    return starts


@pytest.mark.parametrize(("rows", "stride"), [(3, 1), (6, 1), (2, 3), (4, 2)])
def test_starts_are_all_of_every_episode_but_the_last(split, identity, rows, stride):
    view = Sequences(split, identity, rows, stride)
    assert view.anchors.all().tolist() == slow_starts(split, rows * stride, 1)
    corrected = Sequences(split, identity, rows, stride, all_anchors=True)
    assert corrected.anchors.all().tolist() == slow_starts(split, rows * stride, 0)


@pytest.mark.parametrize("goals", [True, False])
@pytest.mark.parametrize(("rows", "stride"), [(3, 1), (2, 3)])
def test_rows_are_actions_in_order_then_state_then_representation(split, rows, stride, goals):
    normalizer = Normalizer(
        np.array([1.0, 2.0]), np.array([2.0, 4.0]), np.array([3.0]), np.array([5.0])
    )
    view = Sequences(split, normalizer, rows, stride, goals=goals)
    anchors = view.anchors.all()
    found = view.batch(anchors)
    assert found.dtype == np.float32
    assert found.shape == (len(anchors), rows, 3 * stride + 2 + goals)
    for b, anchor in enumerate(anchors):
        for m in range(rows):
            at = anchor + m * stride
            expected = []
            for k in range(stride):
                expected += split.actions[at + k].tolist()
            expected += [
                (split.observations[at, 0] - 1) / 2,
                (split.observations[at, 1] - 2) / 4,
            ]
            if goals:
                expected.append((split.goals[at, 0] - 3) / 5)
            np.testing.assert_allclose(found[b, m], expected, rtol=1e-6)


def test_no_window_touches_a_final_state_or_another_episode(split, identity):
    view = Sequences(split, identity, 3, 2, all_anchors=True)
    windows = view.batch(view.anchors.all())
    last = windows[:, -1, 3:6] * 100  # the last action, which tells its row
    final = (split.starts + split.lengths).tolist()
    for first, end in zip(windows[:, 0, 6], last[:, 0].round(), strict=True):
        assert end == first + 5
        assert not any(first <= row <= end for row in final)


def test_every_start_is_drawn_equally_often(split, identity):
    view = Sequences(split, identity, 4)
    draws = 100_000
    windows = view.sample(np.random.default_rng(0), draws)
    found, counts = np.unique(windows[:, 0, 3], return_counts=True)
    wanted = slow_starts(split, 4, 1)
    assert found.tolist() == wanted and len(view) == len(wanted)
    expected = draws / len(wanted)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_limits_of_the_training_split_bring_all_rows_into_the_unit_box(store):
    split, normalizer = store.split("train"), store.normalizer("train")
    view = Sequences(split, normalizer, 4, 3, goals=True)
    windows = view.batch(view.anchors.all())
    assert np.abs(windows).max() <= 1.0
    states = windows[..., 6:].reshape(-1, 6)
    assert (states.max(0) > 0.9).all() and (states.min(0) < -0.9).all()


def test_windows_longer_than_all_episodes_are_refused(split, identity):
    with pytest.raises(DataError, match=r"5 rows of 3 steps; expected fewer than 15 steps"):
        Sequences(split, identity, 5, 3)
