from dataclasses import replace

import numpy as np
import pytest

from mac import rng
from mac.config.schema import ActorGoals, GoalMixture, ValueGoals
from mac.data.build import build
from mac.data.normalize import Normalizer
from mac.data.store import Store
from mac.data.views import Chunks, Rotation, Steps, Windows
from mac.errors import ConfigError, DataError
from tests.specs import POINTMASS

VALUE = ValueGoals()
ACTOR = ActorGoals()


def slow_anchors(split, room):
    """Rows of every episode's trajectory 0 … T - 1 except its last ``room``."""
    return [
        start + offset
        for start, length in zip(split.starts, split.lengths, strict=True)
        for offset in range(length - room)
    ]


def chunks(split, identity, mode="reward", length=3, **options):
    if mode == "reward":
        options = {"task": 1, **options}
    else:
        options = {"value_goals": VALUE, "actor_goals": ACTOR, **options}
    return Chunks(split, identity, length, 0.9, mode, **options)


@pytest.mark.parametrize("length", [1, 3, 4])
def test_anchors_are_the_offsets_0_to_T_minus_n_minus_2(split, identity, length):
    view = chunks(split, identity, length=length)
    assert view.anchors.all().tolist() == slow_anchors(split, length + 1)
    assert len(view) == len(slow_anchors(split, length + 1))


def test_all_anchors_adds_the_two_lost_starts_of_each_episode(split, identity):
    view = chunks(split, identity, all_anchors=True)
    assert view.anchors.all().tolist() == slow_anchors(split, 2)
    batch = view.batch(view.anchors.all())
    final = set((split.starts + split.lengths).tolist())
    assert final <= set(batch.next_observations[:, 0].astype(int).tolist())
    assert not final & set(batch.observations[:, 0].astype(int).tolist())


def test_every_anchor_is_drawn_equally_often_and_nothing_else(split, identity):
    view = chunks(split, identity)
    draws = 200_000
    rows, ends = view.anchors.sample(np.random.default_rng(0), draws)
    wanted = slow_anchors(split, 4)
    found, counts = np.unique(rows, return_counts=True)
    assert found.tolist() == wanted
    expected = draws / len(wanted)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    for row, end in set(zip(rows.tolist(), ends.tolist(), strict=True)):
        episode = np.searchsorted(split.starts, row, side="right") - 1
        assert end == split.starts[episode] + split.lengths[episode] - 1


@pytest.mark.parametrize("chunk_reward", ["mean", "sum"])
@pytest.mark.parametrize("task_masks", [False, True])
@pytest.mark.parametrize("task", [1, 2])
def test_reward_batch_against_a_slow_loop(split, identity, chunk_reward, task_masks, task):
    view = chunks(split, identity, chunk_reward=chunk_reward, task_masks=task_masks, task=task)
    anchors = view.anchors.all()
    batch = view.batch(anchors)
    for place, i in enumerate(anchors):
        reward = sum(0.9**k * split.rewards[task - 1, i + k] for k in range(3))
        if chunk_reward == "mean":
            reward /= 3
        mask = 1.0
        if task_masks:
            mask = float(all(split.masks[task - 1, i + k] == 1 for k in range(3)))
        assert batch.rewards[place] == pytest.approx(reward, abs=1e-6)
        assert batch.masks[place] == mask
        assert batch.observations[place].tolist() == split.observations[i].tolist()
        assert batch.next_observations[place].tolist() == split.observations[i + 3].tolist()
        assert batch.actions[place].tolist() == split.actions[i : i + 3].tolist()
    assert batch.value_goals.shape == batch.actor_goals.shape == (len(anchors), 0)
    if task_masks:
        assert 0 < batch.masks.mean() < 1  # the test would not see a mask that is always 1


@pytest.mark.parametrize("negative", [True, False])
def test_goal_batch_against_a_slow_loop(split, identity, negative):
    view = chunks(split, identity, mode="goal", negative=negative)
    pairs = [(i, j) for i in view.anchors.all() for j in np.flatnonzero(split.valids)]
    anchors, goals = np.array(pairs).T
    batch = view.batch(anchors, goals, goals[::-1])
    for place, (i, j) in enumerate(pairs):
        success = float(i <= j < i + 3)
        assert batch.rewards[place] == success - negative
        assert batch.masks[place] == 1 - success
        assert batch.value_goals[place] == split.goals[j]
        assert batch.actor_goals[place] == split.goals[goals[len(goals) - 1 - place]]


def test_batches_are_float32_and_normalised(split):
    shift = Normalizer(*(np.asarray(x, np.float32) for x in ([1, 2], [3, 4], [1000], [7])))
    view = chunks(split, shift, mode="goal")
    batch = view.batch(np.array([2]), np.array([5]), np.array([6]))
    assert batch.observations.tolist() == [pytest.approx([(2 - 1) / 3, (-2 - 2) / 4])]
    assert batch.next_observations.tolist() == [pytest.approx([(5 - 1) / 3, (-5 - 2) / 4])]
    assert batch.value_goals.item() == pytest.approx(5 / 7)
    assert batch.actor_goals.item() == pytest.approx(6 / 7)
    for value in vars(view.sample(np.random.default_rng(0), 8)).values():
        assert value.dtype == np.float32


def goal_probabilities(split, mixture, anchors):
    """Probability of each pair (anchor, goal row), by a slow loop; exact for ``even`` mixtures."""
    valid = np.flatnonzero(split.valids)
    table = np.zeros((len(split.valids), len(split.valids)))
    for i in anchors:
        episode = np.searchsorted(split.starts, i, side="right") - 1
        end = split.starts[episode] + split.lengths[episode] - 1
        table[i, i] += mixture.current
        if mixture.geometric:
            for j in range(i + 1, end):
                table[i, j] += mixture.trajectory * 0.1 * 0.9 ** (j - i - 1)
            table[i, end] += mixture.trajectory * 0.9 ** (end - i - 1)
        else:
            table[i, i + 1 : end + 1] += mixture.trajectory / (end - i)
        table[i, valid] += mixture.random / len(valid)
    return table / len(anchors)


def test_sampled_goals_follow_the_mixtures(split, identity):
    value = ValueGoals(even=True)
    view = chunks(split, identity, mode="goal", value_goals=value)
    draws = 400_000
    batch = view.sample(np.random.default_rng(2), draws)
    anchors = batch.observations[:, 0].astype(int)
    for mixture, goals in ((value, batch.value_goals), (ACTOR, batch.actor_goals)):
        expected = goal_probabilities(split, mixture, slow_anchors(split, 4))
        found = np.zeros_like(expected)
        np.add.at(found, (anchors, goals[:, 0].astype(int) - 1000), 1 / draws)
        assert not found[expected == 0].any()
        assert (np.abs(found - expected) <= 6 * np.sqrt(expected / draws)).all()
    # The two goals of a chunk are drawn independently of each other.
    assert (batch.value_goals == batch.actor_goals).mean() < 0.2


def test_same_stream_same_batch(split, identity):
    view = chunks(split, identity, mode="goal")
    first = view.sample(rng.stream(0, "data", counter=7), 64)
    again = view.sample(rng.stream(0, "data", counter=7), 64)
    other = view.sample(rng.stream(0, "data", counter=8), 64)
    for key, value in vars(first).items():
        assert np.array_equal(value, getattr(again, key))
    assert not np.array_equal(first.observations, other.observations)


def test_windows_are_consecutive_chunks_of_one_trajectory(split, identity):
    view = Windows(split, identity, chunk_length=2, chunks=3)
    assert view.anchors.all().tolist() == slow_anchors(split, 6)
    observations, actions = view.sample(np.random.default_rng(0), 32)
    assert observations.shape == (4, 32, 2) and actions.shape == (3, 32, 2, 3)
    for b in range(32):
        row = int(observations[0, b, 0])
        episode = np.searchsorted(split.starts, row, side="right") - 1
        assert row + 6 < split.starts[episode] + split.lengths[episode]
        for step in range(4):
            assert observations[step, b, 0] == row + 2 * step
        for step in range(3):
            at = row + 2 * step
            assert actions[step, b].tolist() == split.actions[at : at + 2].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": 3}, "task: no such task; found 3; expected 1 to 2"),
        ({"task": None}, "task: no such task"),
        ({"chunk_reward": "max"}, "chunk_reward: unknown; found max"),
        ({"length": 0}, "chunk_length: too small; found 0"),
        ({"mode": "both"}, "mode: unknown; found both; expected reward or goal"),
        ({"mode": "goal", "value_goals": None}, "goals: goal mode needs goal mixtures"),
    ],
)
def test_wrong_settings_are_named(split, identity, options, message):
    with pytest.raises(ConfigError, match=message):
        chunks(split, identity, **options)


def test_too_short_episodes_are_named(split, identity):
    assert len(chunks(split, identity, length=13)) == 1
    with pytest.raises(DataError, match=r"chunk_length: no episode is long enough.*found 14"):
        chunks(split, identity, length=14)
    with pytest.raises(DataError, match="no episode is long enough for a window"):
        Windows(split, identity, chunk_length=5, chunks=3)


@pytest.fixture
def two_shards(raw_files, tmp_path):
    build([raw_files[0], raw_files[1]], [raw_files[1]], POINTMASS, tmp_path)
    return Store.open(tmp_path).split("train")


def test_shards_take_turns_and_no_batch_mixes_them(two_shards):
    """Twelve episodes of 40 transitions, then one; goals from anywhere are from the same shard."""
    anywhere = GoalMixture(current=0.0, trajectory=0.0, random=1.0)
    normalizer = Normalizer(*(np.full(2 if i > 1 else 4, i % 2, np.float32) for i in range(4)))

    def make(split):
        return Chunks(split, normalizer, 1, 0.9, "goal", value_goals=anywhere, actor_goals=anywhere)

    assert two_shards.files == (12, 1)
    rotation = Rotation(make, two_shards.shards(), 3)
    assert len(rotation) == len(make(two_shards))
    where = {tuple(row): number for number, row in enumerate(np.asarray(two_shards.observations))}
    places = {tuple(row): number for number, row in enumerate(np.asarray(two_shards.goals))}
    for step, shard in enumerate((0, 0, 0, 1, 1, 1, 0)):
        batch = rotation.at(step).sample(np.random.default_rng(step), 400)
        rows = np.array([where[tuple(row)] for row in batch.observations])
        goals = np.array([places[tuple(row)] for row in batch.value_goals])
        for some in (rows, goals):
            assert ((some >= 12 * 41) == (shard == 1)).all()
    counts = np.bincount(rows, minlength=12 * 41)
    assert (counts.reshape(12, 41)[:, :38].sum(1) > 0).all()


def test_all_shards_at_once_are_drawn_by_their_size(two_shards):
    normalizer = Normalizer(*(np.full(2 if i > 1 else 4, i % 2, np.float32) for i in range(4)))
    view = Chunks(two_shards, normalizer, 1, 0.9, "reward", 1)
    rows, _ = view.anchors.sample(np.random.default_rng(0), 130_000)
    share = (rows >= 12 * 41).mean()
    assert abs(share - 1 / 13) < 4 * (1 / 13 * 12 / 13 / 130_000) ** 0.5


def test_a_store_that_does_not_know_its_files_says_so(two_shards):
    with pytest.raises(DataError, match="does not tell its raw files apart"):
        replace(two_shards, files=()).shards()


def test_next_actions_run_over_the_ends_of_episodes_and_say_so(split, identity):
    view = Steps(split, identity, 1, 0.9, "reward", 1, task_masks=True, all_anchors=True)
    rows = slow_anchors(split, 0)  # every step, in the order of the regular data
    assert view.anchors.all().tolist() == rows
    batch = view.batch(view.anchors.all())
    following = [*rows[1:], rows[-1]]
    assert np.array_equal(batch.next_actions, split.actions[following])
    same = [other == row + 1 for row, other in zip(rows, following, strict=True)]
    assert batch.continues.tolist() == [float(flag) for flag in same]
    assert batch.continues.dtype == np.float32
    assert same.count(False) == len(split.starts)
    assert np.array_equal(batch.masks, split.masks[0][rows])
