import json

import pytest
import yaml

from mac.errors import DataError, MacError
from mac.io import read_json, read_yaml, write_json, write_yaml
from mac.seals import KEY, sealed, unsealed

CONTENT = {"rule": "build", "seconds": 1.5, "files": {"a.npy": "00ff"}, "steps": (1, 2), "to": None}
PLAIN = {**CONTENT, "steps": [1, 2]}


@pytest.mark.parametrize(
    ("name", "write", "read"),
    [("a.json", write_json, read_json), ("a.yaml", write_yaml, read_yaml)],
)
def test_what_is_read_is_what_was_written_whatever_byte_changes(tmp_path, name, write, read):
    """A changed byte is told, or changes nothing that is said."""
    path = tmp_path / name
    write(path, sealed(CONTENT))
    whole = path.read_bytes()
    assert unsealed(read(path), path) == PLAIN
    told = 0
    for place in range(len(whole)):
        for bit in range(7):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            try:
                found = unsealed(read(path), path)
            except MacError as error:
                assert str(path) in str(error) and "\n" not in str(error)
                told += 1
                continue
            found = {key: value for key, value in found.items() if len(key) != len(KEY)}
            assert found == PLAIN, changed
    assert told > 0.8 * 7 * len(whole)


def test_a_cut_off_file_is_told(tmp_path):
    path = tmp_path / "run.yaml"
    write_yaml(path, sealed(CONTENT))
    text = path.read_text()
    assert text.startswith(f"{KEY}: ")
    lines = text.splitlines(keepends=True)
    for number in range(1, len(lines)):
        content = yaml.safe_load("".join(lines[:number]))
        with pytest.raises(DataError, match="damaged or changed"):
            unsealed(content, path)


@pytest.mark.parametrize("content", [[], "text", None, 3])
def test_something_else_is_refused_with_the_remedy(tmp_path, content):
    with pytest.raises(DataError, match=r"x\.json: damaged; expected a mapping; delete it"):
        unsealed(content, tmp_path / "x.json", "delete it")


def test_what_was_never_sealed_passes(tmp_path):
    assert unsealed({"a": 1}, tmp_path / "x.json") == {"a": 1}
    assert json.loads(json.dumps(sealed({}))) == sealed({})
