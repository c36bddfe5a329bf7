"""What is known of released files: the first content counts, and no other afterwards."""

import json

import pytest

from mac.data.manifest import Manifest, facts
from mac.errors import DataError

ONE, TWO = ({"bytes": 3, "sha256": digit * 64} for digit in "12")


def test_the_first_content_counts(tmp_path):
    path = tmp_path / "datasets" / "manifest.json"
    manifest = Manifest("set", [path])
    assert manifest.get("a.npz") is None and manifest.differs("a.npz", ONE) is None
    assert manifest.remember("a.npz", ONE) and not manifest.remember("a.npz", TWO)
    again = Manifest("set", [path])
    assert again.get("a.npz") == ONE and again.differs("a.npz", ONE) is None
    assert again.differs("a.npz", TWO) == "SHA-256 222222222222… instead of 111111111111…"
    assert again.differs("a.npz", {**ONE, "bytes": 4}) == "4 bytes instead of 3"
    assert [path.name for path in path.parent.iterdir()] == ["manifest.json"]


def test_another_process_may_be_first(tmp_path):
    path = tmp_path / "manifest.json"
    late = Manifest("set", [path])
    Manifest("set", [path]).remember("a.npz", ONE)
    Manifest("other", [path]).remember("b.npz", TWO)
    late.remember("a.npz", TWO)
    assert late.differs("a.npz", TWO)
    assert json.loads(path.read_text()) == {"set": {"a.npz": ONE}, "other": {"b.npz": TWO}}


def test_the_users_own_comes_first_and_alone_is_written(tmp_path):
    own, shipped = tmp_path / "own.json", tmp_path / "shipped.json"
    shipped.write_text(json.dumps({"set": {"a.npz": ONE, "b.npz": ONE}}))
    own.write_text(json.dumps({"set": {"a.npz": TWO}}))
    manifest = Manifest("set", [own, shipped])
    assert (manifest.get("a.npz"), manifest.get("b.npz")) == (TWO, ONE)
    before = shipped.read_bytes()
    manifest.remember("c.npz", ONE)
    assert shipped.read_bytes() == before and "c.npz" in json.loads(own.read_text())["set"]


@pytest.mark.parametrize(
    "content",
    [
        *([], {"set": []}, {"set": {"a": 3}}, {"set": {"a": {"bytes": 3}}}),
        {"set": {"a": {"bytes": "3", "sha256": "1" * 64}}},
        {"set": {"a": {"bytes": 3, "sha256": "1" * 63}}},
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path, content):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"manifest.json: .*(not a manifest|not a file's facts)"):
        Manifest("set", [path])


def test_the_shipped_manifest_can_be_read():
    from pathlib import Path

    shipped = Manifest("cube-double-play", [Path("configs/datasets/manifest.json")])
    assert shipped.get("cube-double-play-v0.npz")["bytes"] == 297_435_656


def test_facts(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    found = facts(tmp_path / "x")
    assert found["bytes"] == 3 and found["sha256"].startswith("ba7816bf8f01cfea")
