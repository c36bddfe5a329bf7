import json
import shutil

import numpy as np
import pytest

from mac.data.store import Store
from mac.errors import DataError, MissingDataError


@pytest.fixture
def copy(store, tmp_path):
    return shutil.copytree(store.directory, tmp_path / "store")


def test_arrays_are_mapped_and_read_only(store):
    split = store.split("train")
    assert isinstance(split.observations.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        split.observations[0, 0] = 1


def test_normalizer_uses_the_named_split(store):
    low, high = (
        np.array(store.manifest["statistics"]["train"]["goals"][k]) for k in ("min", "max")
    )
    normalizer = store.normalizer("train")
    assert normalizer.goal_centre == pytest.approx((low + high) / 2)
    assert normalizer.goal_scale == pytest.approx((high - low) / 2 + 1e-3)


def test_unknown_split_is_named(store):
    with pytest.raises(DataError, match="unknown split; found test; expected train or validation"):
        store.split("test")


def test_missing_manifest_means_no_store(copy):
    (copy / "manifest.json").unlink()
    with pytest.raises(MissingDataError, match=r"no built data set here; run `mac data build`"):
        Store.open(copy)


def test_other_format_is_named(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["format"] = 0
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="format: store of another format; found 0; expected 1"):
        Store.open(copy)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "file of the store is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), "damaged file"),
        (lambda path: path.write_bytes(b""), "damaged file"),
        (
            lambda path: np.save(path, np.zeros((3, 2))),
            r"array differs from the manifest; found \(3, 2\); expected \(492, 2\)",
        ),
    ],
)
def test_damaged_array_is_named(copy, damage, message):
    path = copy / "train_actions.npy"
    damage(path)
    with pytest.raises(DataError, match=f"{path}: {message}"):
        Store.open(copy).split("train")
