import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mac.data.build import PARTIAL, build
from mac.data.collect import write_npz
from mac.data.raw import compact, read_raw
from mac.data.statistics import Columns
from mac.data.store import Store
from mac.envs import toy
from mac.errors import DataError, MissingDataError
from mac.io import sha256_file
from tests.specs import POINTMASS


def load(path):
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


def test_compact_form_of_a_hand_written_file():
    raw = {
        "observations": np.zeros((7, 1)),
        "actions": np.array([[1], [-1], [0.5], [2], [0], [0], [0]], np.float64),
        "terminals": np.array([0, 0, 0, 1, 0, 0, 1], bool),
    }
    found = compact(raw)
    assert found["terminals"].tolist() == [0, 0, 1, 1, 0, 1, 1]
    assert found["valids"].tolist() == [1, 1, 1, 0, 1, 1, 0]
    limit = np.float32(1 - 1e-5)
    assert found["actions"].ravel().tolist() == [limit, -limit, 0.5, limit, 0, 0, 0]
    assert {found[key].dtype for key in ("actions", "terminals", "valids")} == {np.dtype("f4")}


def test_store_holds_the_files_and_their_relabelling(raw_files, store):
    for name, path, episodes in (("train", raw_files[0], 12), ("validation", raw_files[1], 1)):
        raw, split = load(path), store.split(name)
        assert np.array_equal(split.observations, raw["observations"])
        assert np.abs(split.actions - raw["actions"]).max() < 2e-5
        assert split.starts.tolist() == list(range(0, 41 * episodes, 41))
        assert split.lengths.tolist() == [40] * episodes
        assert np.array_equal(split.goals, raw["qpos"])
        assert split.rewards.shape == split.masks.shape == (5, 41 * episodes)
        for task in range(5):
            distance = np.linalg.norm(raw["qpos"] - toy.TARGETS[task], axis=1)
            assert np.array_equal(split.rewards[task], np.where(distance <= 0.15, 0, -1))
            assert np.array_equal(split.masks[task], np.where(distance <= 0.15, 0, 1))
    assert store.split("train").masks.min() == 0


def test_progress_counts_files(raw_files, tmp_path, capsys):
    build([raw_files[0]] * 2, [raw_files[1]], POINTMASS, tmp_path)
    assert "build pointmass-play: 3/3 files (100%)" in capsys.readouterr().err


def test_manifest_says_what_the_store_is_made_of(raw_files, store):
    manifest = json.loads((store.directory / "manifest.json").read_text())
    for name, path in zip(("train", "validation"), raw_files, strict=True):
        described = manifest["splits"][name]
        observations = load(path)["observations"].astype(np.float64)
        file = {"name": path.name, "sha256": sha256_file(path), "rows": len(observations)}
        assert described["files"] == [file]
        assert described["rows"] == len(observations)
        statistics = manifest["statistics"][name]["observations"]
        assert statistics["min"] == pytest.approx(observations.min(0))
        assert statistics["max"] == pytest.approx(observations.max(0))
        assert statistics["mean"] == pytest.approx(observations.mean(0), abs=1e-9)
        assert statistics["std"] == pytest.approx(observations.std(0), abs=1e-9)
    assert manifest["splits"]["train"]["episodes"] == 12
    assert manifest["splits"]["train"]["transitions"] == 480
    assert manifest["environment"]["name"] == "pointmass"
    assert {"toy", "numpy"} <= set(manifest["versions"])


def test_shards_follow_one_another_and_the_first_validation_file_gives_the_range(
    raw_files, store, tmp_path
):
    train, validation = raw_files
    build([train, validation], [validation, train], POINTMASS, tmp_path)
    both = Store.open(tmp_path)
    split = both.split("train")
    assert len(split.starts) == 13 and split.starts[12] == 12 * 41
    assert np.array_equal(split.observations[12 * 41 :], store.split("validation").observations)
    ours, reference = both.manifest["statistics"], store.manifest["statistics"]
    assert ours["validation"] == reference["validation"]
    assert ours["train"] != reference["train"]


def test_same_input_same_bytes(raw_files, store, tmp_path):
    build([raw_files[0]], [raw_files[1]], POINTMASS, tmp_path)
    names = sorted(path.name for path in store.directory.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (tmp_path / name).read_bytes() == (store.directory / name).read_bytes()


def test_both_modes_share_a_store(raw_files, store, tmp_path):
    other = replace(POINTMASS, success_timing="post", max_episode_steps=7)
    build([raw_files[0]], [raw_files[1]], other, tmp_path)
    ours, reference = (path / "manifest.json" for path in (tmp_path, store.directory))
    assert ours.read_bytes() == reference.read_bytes()


def test_unfinished_store_is_not_there(raw_files, tmp_path):
    build([raw_files[0]], [raw_files[1]], POINTMASS, tmp_path)
    broken = tmp_path.parent / "broken.npz"
    broken.write_bytes(raw_files[1].read_bytes()[:-3000])
    with pytest.raises(DataError):
        build([raw_files[0]], [broken], POINTMASS, tmp_path)
    with pytest.raises(MissingDataError, match="no built data set here"):
        Store.open(tmp_path)


def nan(arrays):
    arrays["observations"][17, 2] = np.nan


def infinite(arrays):
    arrays["qpos"][3, 0] = np.inf


def loud(arrays):
    arrays["actions"][5, 1] = -1.5


def missing(arrays):
    del arrays["actions"]


def narrow(arrays):
    arrays["observations"] = arrays["observations"][:, :3]


def short(arrays):
    arrays["actions"] = arrays["actions"][:-1]


def flat(arrays):
    arrays["qpos"] = arrays["qpos"].ravel()


def open_end(arrays):
    arrays["terminals"][-1] = 0


def no_flag(arrays):
    arrays["terminals"][4] = 0.5


def lonely(arrays):
    arrays["terminals"][-2] = 1


def words(arrays):
    arrays["qpos"] = arrays["qpos"].astype("U4")


def empty(arrays):
    for key in arrays:
        arrays[key] = arrays[key][:0]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (nan, r"observations: not finite; found \[.*nan.*\] in row 17; expected finite numbers"),
        (infinite, r"qpos: not finite; found \[inf, .*\] in row 3"),
        (loud, "actions: action out of range; found 1.5; expected -1 to 1"),
        (missing, "actions: array is missing; found observations, qpos, qvel, terminals"),
        (narrow, r"observations: wrong shape; found \(41, 3\); expected \(41, 4\); correct "),
        (short, r"actions: wrong shape; found \(40, 2\); expected \(41, 2\)"),
        (flat, r"qpos: wrong shape; found \(82,\); expected \(41, 'any'\)"),
        (open_end, "terminals: the last row must end an episode"),
        (no_flag, "terminals: not a flag"),
        (lonely, "terminals: episode without a transition; found 1 row"),
        (words, "qpos: wrong type; found <U4; expected numbers"),
        (empty, "terminals: the last row must end an episode"),
    ],
)
def test_bad_content_is_named(raw_files, tmp_path, spoil, message):
    arrays = load(raw_files[1])
    spoil(arrays)
    bad = tmp_path / "bad.npz"
    write_npz(bad, arrays)
    with pytest.raises(DataError, match=f"^{bad}: {message}"):
        build([bad], [raw_files[1]], POINTMASS, tmp_path / "store")


@pytest.mark.parametrize("keep", [0, 100, 2000, -1])
@pytest.mark.parametrize("packed", [False, True])
def test_truncated_file_is_named(raw_files, tmp_path, keep, packed):
    bad = tmp_path / "bad.npz"
    if packed:
        np.savez_compressed(bad, **load(raw_files[1]))
    else:
        shutil.copy(raw_files[1], bad)
    bad.write_bytes(bad.read_bytes()[:keep])
    with pytest.raises(DataError, match=f"^{bad}: truncated or damaged"):
        build([raw_files[0]], [bad], POINTMASS, tmp_path / "store")


def test_flipped_bits_are_noticed(raw_files, tmp_path):
    content = bytearray(raw_files[1].read_bytes())
    with zipfile.ZipFile(raw_files[1]) as archive:
        place = archive.getinfo("observations.npy").header_offset + 400
    content[place] ^= 255
    bad = tmp_path / "bad.npz"
    bad.write_bytes(content)
    with pytest.raises(DataError, match=f"{bad}: observations: truncated or damaged.*CRC"):
        build([bad], [raw_files[1]], POINTMASS, tmp_path / "store")


def test_compressed_files_of_the_release_are_read(raw_files, store, tmp_path):
    arrays = load(raw_files[0])
    arrays["terminals"] = arrays["terminals"].astype(bool)
    np.savez_compressed(tmp_path / "train.npz", **arrays)
    build([tmp_path / "train.npz"], [raw_files[1]], POINTMASS, tmp_path / "store")
    assert np.array_equal(
        Store.open(tmp_path / "store").split("train").terminals, store.split("train").terminals
    )


def test_missing_file_is_named(raw_files, tmp_path):
    with pytest.raises(MissingDataError, match=r"none.npz: no such file"):
        build([tmp_path / "none.npz"], [raw_files[1]], POINTMASS, tmp_path / "store")
    with pytest.raises(DataError, match="validation: no raw files"):
        build([raw_files[0]], [], POINTMASS, tmp_path / "store")


def test_goal_width_is_checked(raw_files, tmp_path):
    with pytest.raises(DataError, match=r"goal_dim: goal width differs.*found 2; expected 3"):
        build([raw_files[0]], [raw_files[1]], replace(POINTMASS, goal_dim=3), tmp_path)


@pytest.fixture
def shards(raw_files, tmp_path):
    """Three training files and two validation files, the second of them damaged."""
    train, validation = raw_files
    paths = []
    for index, source in enumerate((train, validation, train, validation, validation)):
        paths.append(tmp_path / f"raw{index}.npz")
        shutil.copy(source, paths[-1])
    whole = tmp_path / "whole"
    build(paths[:3], paths[3:], POINTMASS, whole)
    good = paths[4].read_bytes()
    middle = len(good) // 2
    paths[4].write_bytes(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])
    with pytest.raises(DataError, match="raw4"):
        build(paths[:3], paths[3:], POINTMASS, tmp_path / "cut")
    paths[4].write_bytes(good)
    return paths, whole, tmp_path / "cut"


def test_an_interrupted_build_goes_on_after_the_last_finished_file(shards, capsys):
    paths, whole, cut = shards
    paths[4].touch()
    build(paths[:3], paths[3:], POINTMASS, cut)
    assert "build pointmass-play: 5/5 files (100%)" in capsys.readouterr().err
    names = sorted(path.name for path in whole.iterdir())
    assert names == sorted(path.name for path in cut.iterdir())
    for name in names:
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_what_was_read_is_not_read_again(shards, monkeypatch):
    paths, _, cut = shards
    read = []
    monkeypatch.setattr(
        "mac.data.contents.read_raw", lambda file, spec: read.append(file) or read_raw(file, spec)
    )
    build(paths[:3], paths[3:], POINTMASS, cut)
    assert read == paths[4:]


@pytest.mark.parametrize("moved", [0, 3, 14, 17, "all"])
def test_an_interrupted_move_into_place_goes_on(shards, moved, monkeypatch):
    """Killed between two of the renames that make the store, or before what is left is removed."""
    paths, whole, cut = shards
    count, replace_file = [0], Path.replace

    def stop(self, target):
        if PARTIAL in str(self) and self.suffix != ".part":
            if count[0] == moved:
                raise KeyboardInterrupt
            count[0] += 1
        return replace_file(self, target)

    def stop_removal(path, **_):
        if (Path(path).parent / "manifest.json").exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        patch.setattr("mac.data.build.shutil.rmtree", stop_removal)
        with pytest.raises(KeyboardInterrupt):
            build(paths[:3], paths[3:], POINTMASS, cut)
    read = []
    monkeypatch.setattr(
        "mac.data.contents.read_raw", lambda file, spec: read.append(file) or read_raw(file, spec)
    )
    build(paths[:3], paths[3:], POINTMASS, cut)
    assert read == [], "all files were in already"
    assert sorted(p.name for p in whole.iterdir()) == sorted(p.name for p in cut.iterdir())
    for path in whole.iterdir():
        assert path.read_bytes() == (cut / path.name).read_bytes()


@pytest.mark.parametrize("change", ["bytes", "order", "progress"])
def test_what_has_changed_since_begins_anew(shards, raw_files, change):
    paths, _, cut = shards
    if change == "bytes":
        shutil.copy(raw_files[0], paths[1])
    elif change == "order":
        paths[0], paths[1] = paths[1], paths[0]
    else:
        (cut / PARTIAL / "progress.json").write_text("{")
    other = cut.with_name("other")
    for folder in (cut, other):
        build(paths[:3], paths[3:], POINTMASS, folder)
    for path in other.iterdir():
        assert path.read_bytes() == (cut / path.name).read_bytes()


def test_statistics_of_parts_add_up():
    rows = np.random.default_rng(0).normal(3, 2, (50, 4)).astype(np.float32)
    parts = [Columns.of(part) for part in np.split(rows, [7, 30])]
    total = Columns.restored(json.loads(json.dumps((parts[0] + parts[1] + parts[2]).state())))
    for key, expected in Columns.of(rows).plain().items():
        assert total.plain()[key] == pytest.approx(expected, rel=1e-12)
