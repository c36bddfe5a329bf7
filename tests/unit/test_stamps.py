import json

import pytest

from mac.errors import DataError
from mac.stamps import REVISIONS, check_stamp, committed, stamp_path, write_stamp


@pytest.fixture
def built(tmp_path):
    files = [tmp_path / "scores.csv", tmp_path / "figures" / "a.svg"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text(file.name)
    return tmp_path, files


def test_a_stamp_records_what_it_was_given(built):
    folder, files = built
    path = write_stamp(folder, "aggregate", "abc", files, {"results/x.parquet": "00ff"})
    assert path == stamp_path(folder, "aggregate", "abc") == folder / "built/aggregate-abc.json"
    content = json.loads(path.read_text())
    assert content["evaluations"] == {"results/x.parquet": "00ff"}
    assert content["fingerprint"] == "abc"
    assert content["revision"] == REVISIONS["aggregate"]
    assert list(content["files"]) == ["figures/a.svg", "scores.csv"]
    check_stamp(path)


def test_only_the_newest_stamp_of_a_rule_stays(built):
    folder, files = built
    other = write_stamp(folder, "render", "r", files, {})
    old = write_stamp(folder, "aggregate", "old", files, {})
    new = write_stamp(folder, "aggregate", "new", files, {})
    again = write_stamp(folder, "aggregate", "new", reversed(files), {})
    assert not old.exists()
    assert new == again and new.exists() and other.exists()


def test_equal_results_have_equal_stamps(built):
    folder, files = built
    one = write_stamp(folder, "aggregate", "x", files, {"b": "1", "a": "2"}).read_bytes()
    two = write_stamp(folder, "aggregate", "x", reversed(files), {"a": "2", "b": "1"}).read_bytes()
    assert one == two


def test_committed_evaluations_are_those_of_a_stamp_whose_rows_are_there(tmp_path):
    assert committed(tmp_path) == {}
    rows, scores = tmp_path / "episodes.parquet", tmp_path / "scores.csv"
    for file in (rows, scores):
        file.write_text("ours")
    ours = write_stamp(tmp_path, "aggregate", "a", [rows, scores], {"ours": "1"})
    kept = ours.read_bytes()
    rows.write_text("theirs")
    write_stamp(tmp_path, "aggregate", "b", [rows, scores], {"theirs": "2"})
    ours.write_bytes(kept)  # as two merged branches leave them
    assert committed(tmp_path) == {"theirs": "2"}
    scores.write_text("of no account")
    assert committed(tmp_path) == {"theirs": "2"}
    rows.write_text("nobody's")
    with pytest.raises(DataError, match=r"episodes\.parquet: file differs from its stamp"):
        committed(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: files[0].write_text("0.99"), "differs from its stamp"),
        (lambda files: files[1].unlink(), "is missing"),
    ],
)
def test_a_file_that_disagrees_is_named_with_the_remedy(built, change, message):
    folder, files = built
    path = write_stamp(folder, "aggregate", "abc", files, {})
    change(files)
    with pytest.raises(DataError, match=message) as caught:
        check_stamp(path)
    assert "delete" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": {}}'])
def test_something_else_is_no_stamp(tmp_path, content):
    path = tmp_path / "built" / "aggregate-abc.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(DataError):
        check_stamp(path)
