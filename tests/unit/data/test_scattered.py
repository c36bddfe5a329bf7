"""Rows of files that memory cannot hold: the same numbers, and all pages asked for before."""

import mmap

import numpy as np
import pytest

from mac.config.schema import ActorGoals, ValueGoals
from mac.data import scattered
from mac.data.scattered import Scattered, memory_bytes, too_large
from mac.data.store import Store
from mac.data.views import Chunks, Outcomes
from mac.rng import stream

ROWS = 5000


class Mapping:
    """Notes which pages are asked for."""

    def __init__(self, mapping):
        self.mapping, self.asked = mapping, []

    def __len__(self):
        return len(self.mapping)

    def madvise(self, option, start, length):
        assert option == mmap.MADV_WILLNEED and length % mmap.PAGESIZE == 0
        self.mapping.madvise(option, start, length)
        self.asked.append((start // mmap.PAGESIZE, length // mmap.PAGESIZE))


@pytest.fixture
def pair(tmp_path):
    """An array (rows, 91) in memory and in a file."""
    array = np.random.default_rng(0).normal(size=(ROWS, 91)).astype(np.float32)
    np.save(tmp_path / "array.npy", array)
    mapped = Scattered.of(np.load(tmp_path / "array.npy", mmap_mode="r"))
    mapped._mapping = Mapping(mapped._mapping)
    return array, mapped


@pytest.mark.parametrize("shape", [(7,), (4, 3), (0,)])
def test_rows_are_those_of_the_array(pair, shape):
    array, mapped = pair
    rows = np.random.default_rng(1).integers(-ROWS, ROWS, size=shape)
    found = mapped[rows]
    assert type(found) is np.ndarray and np.array_equal(found, array[rows])


def test_exactly_the_pages_of_the_rows_are_asked_for(pair):
    _, mapped = pair
    rows = np.array([4000, 3, 10, 40])
    mapped[rows]
    head = 128  # bytes of NumPy's header
    expected = {(head + row * 364 + at) // mmap.PAGESIZE for row in rows for at in (0, 363)}
    asked = [page + i for page, count in mapped._mapping.asked for i in range(count)]
    assert asked == sorted(expected)


def test_pages_one_after_the_other_are_asked_for_at_once(pair):
    _, mapped = pair
    mapped[np.array([[20, 9], [2, 100]])]
    assert mapped._mapping.asked == [(0, 2), (8, 2)]


def test_parts_know_where_they_lie(tmp_path):
    array = np.arange(2 * 3000, dtype=np.float32).reshape(2, 3000)
    np.save(tmp_path / "array.npy", array)
    mapped = Scattered.of(np.load(tmp_path / "array.npy", mmap_mode="r"))
    second = mapped[1]
    second._mapping = Mapping(second._mapping)
    assert second[np.array([2999])] == array[1, 2999]
    assert second._mapping.asked == [((128 + 4 * 5999) // mmap.PAGESIZE, 1)]


def test_what_is_computed_from_such_an_array_asks_for_nothing(pair):
    array, mapped = pair
    doubled = 2 * mapped
    assert np.array_equal(doubled[np.array([1, 2])], 2 * array[1:3])
    assert mapped._mapping.asked == []


def test_a_row_that_is_not_there_is_an_index_error(pair):
    with pytest.raises(IndexError):
        pair[1][np.array([ROWS])]


def test_a_split_that_memory_cannot_hold_gives_the_same_batches(store, monkeypatch):
    options = {"value_goals": ValueGoals(), "actor_goals": ActorGoals()}
    batches = []
    for memory in (2**40, 1000):
        monkeypatch.setattr(scattered, "memory_bytes", lambda memory=memory: memory)
        split = Store.open(store.directory).split("train")
        assert isinstance(split.observations, Scattered) == (memory == 1000)
        normalizer = store.normalizer("validation")
        batches += [
            Chunks(split, normalizer, 5, 0.99, "goal", **options).sample(stream(0, "test"), 64),
            Outcomes(split, normalizer, 5, 0.99, "reward", 1).sample(stream(0, "test"), 64),
        ]
    for held, far in zip(batches[:2], batches[2:], strict=True):
        for name, array in vars(held).items():
            assert type(vars(far)[name]) is np.ndarray, name
            assert np.array_equal(vars(far)[name], array), name


@pytest.mark.parametrize(
    ("groups", "file"),
    [("0::/", "memory.max"), ("4:memory:/", "memory.limit_in_bytes")],
    ids=["version 2", "version 1"],
)
def test_half_of_the_memory_that_a_process_may_use_is_the_limit(
    monkeypatch, tmp_path, groups, file
):
    (tmp_path / "groups").write_text(f"7:cpu:/other\n{groups}job/step\n")
    limits = {key: (str(tmp_path), name) for key, (_, name) in scattered.LIMITS.items()}
    monkeypatch.setattr(scattered, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(scattered, "LIMITS", limits)
    (tmp_path / "job/step").mkdir(parents=True)
    (tmp_path / "job/step" / file).write_text("max\n")
    machine = memory_bytes()
    assert machine > 2**28
    (tmp_path / "job" / file).write_text("4096\n")
    assert memory_bytes() == 4096
    assert too_large(2049) and not too_large(2048)
