import numpy as np
import pytest

from mac.data.build import build
from mac.data.collect import collect
from mac.data.normalize import Normalizer
from mac.data.store import Split, Store
from tests.specs import POINTMASS


@pytest.fixture(scope="session")
def raw_files(tmp_path_factory):
    """Training and validation file of 12 and 1 point-mass episodes of 40 transitions."""
    folder = tmp_path_factory.mktemp("raw")
    files = folder / "pointmass-play-v0.npz", folder / "pointmass-play-v0-val.npz"
    collect(
        POINTMASS,
        *files,
        train_episodes=12,
        episode_length=40,
        seed=3,
        workers=1,
        resume_dir=folder / "resume",
    )
    return files


@pytest.fixture(scope="session")
def store(raw_files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    build([raw_files[0]], [raw_files[1]], POINTMASS, folder)
    return Store.open(folder)


@pytest.fixture
def split():
    """Episodes of 9, 4, 15 and 6 transitions whose every number says where it is."""
    lengths = np.array([9, 4, 15, 6])
    starts = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]])
    rows = int(np.sum(lengths + 1))
    number = np.arange(rows, dtype=np.float32)
    valids = np.ones(rows, np.float32)
    valids[starts + lengths] = 0
    generator = np.random.default_rng(1)
    masks = (generator.random((2, rows)) < 0.8).astype(np.float32)
    return Split(
        observations=np.stack([number, -number], axis=1),
        actions=np.stack([number / 100, number / 200, number / 300], axis=1),
        terminals=1 - valids,
        valids=valids,
        goals=number[:, None] + 1000,
        rewards=generator.normal(size=(2, rows)).astype(np.float32),
        masks=masks,
        starts=starts,
        lengths=lengths,
    )


@pytest.fixture
def identity():
    zeros, ones = np.zeros, np.ones
    return Normalizer(zeros(2), ones(2), zeros(1), ones(1))
