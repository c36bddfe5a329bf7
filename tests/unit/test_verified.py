"""What was read and found right is not read again until it changes."""

from __future__ import annotations

import json
import os

import pytest

from mac import verified
from mac.io import sha256_file


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(verified, "LARGE", 10)
    path = tmp_path / "a.npy"
    path.write_bytes(b"0123456789abcdef")
    return path


@pytest.fixture
def counted():
    """A digest and the list of what it has read."""
    read = []
    return (lambda path: read.append(path.name) or sha256_file(path)), read


def test_a_large_file_is_read_once(file, counted):
    digest, read = counted
    expected = sha256_file(file)
    for _ in range(3):
        assert verified.is_file_of(file, expected, digest) == (True, expected)
    assert read == ["a.npy"]
    notes = json.loads((file.parent / verified.NOTES).read_text())
    assert notes["a.npy"][0] == expected


@pytest.mark.parametrize("change", ["in place", "times kept", "replaced", "notes torn"])
def test_what_may_have_changed_is_read_again(file, counted, change):
    digest, read = counted
    expected = sha256_file(file)
    verified.is_file_of(file, expected, digest)
    before = file.stat()
    if change == "notes torn":
        (file.parent / verified.NOTES).write_text("{")
        assert verified.is_file_of(file, expected, digest)[0]
    else:
        other = file.with_name("b.npy") if change == "replaced" else file
        with other.open("r+b" if other.exists() else "wb") as handle:
            handle.write(b"X123456789abcdef")
        other.replace(file)
        if change == "times kept":
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        right, found = verified.is_file_of(file, expected, digest)
        assert not right and found == sha256_file(file)
    assert read == ["a.npy", "a.npy"]


def test_another_expectation_is_not_met_by_an_old_note(file, counted):
    digest, read = counted
    verified.is_file_of(file, sha256_file(file), digest)
    assert not verified.is_file_of(file, "0" * 64, digest)[0]
    assert read == ["a.npy", "a.npy"]


def test_small_files_are_always_read(file, counted, monkeypatch):
    monkeypatch.setattr(verified, "LARGE", 1000)
    digest, read = counted
    for _ in range(2):
        assert verified.is_file_of(file, sha256_file(file), digest)[0]
    assert read == ["a.npy", "a.npy"] and not (file.parent / verified.NOTES).exists()


def test_a_folder_without_room_for_notes_is_read_each_time(file, counted, monkeypatch):
    def refuse(*_):
        raise OSError("read-only")

    monkeypatch.setattr(verified, "write_json", refuse)
    digest, read = counted
    for _ in range(2):
        assert verified.is_file_of(file, sha256_file(file), digest)[0]
    assert read == ["a.npy", "a.npy"]
    assert verified.is_file_of(file.with_name("none"), "x") == (False, "nothing")


def test_who_wrote_a_file_and_hashed_it_spares_the_next_the_reading(file, counted):
    digest, read = counted
    expected = verified.hashed(file)
    assert expected == sha256_file(file)
    assert verified.is_file_of(file, expected, digest) == (True, expected) and read == []
    file.write_bytes(b"X123456789abcdef")
    assert not verified.is_file_of(file, expected, digest)[0] and read == ["a.npy"]


def test_a_file_that_changes_while_it_is_hashed_is_not_noted(file):
    def digest(path):
        found = sha256_file(path)
        path.write_bytes(b"X123456789abcdef!")
        return found

    verified.hashed(file, digest)
    assert not (file.parent / verified.NOTES).exists()
