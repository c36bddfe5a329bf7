"""Downloads from a real local server that can cut connections and change its mind."""

from pathlib import Path

import numpy as np
import pytest

from mac.data.fetch import fetch
from mac.errors import MissingDataError
from tests.server import FileServer

CONTENT = np.random.default_rng(0).bytes(3_000_000)


@pytest.fixture
def server():
    with FileServer({"/set.npz": CONTENT}) as server:
        server.url = f"{server.root}/set.npz"
        yield server


@pytest.fixture
def output(tmp_path):
    return tmp_path / "raw" / "set.npz"


def only(output):
    """The complete file is there and nothing else."""
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    assert output.read_bytes() == CONTENT


def test_plain_download(server, output):
    fetch([server.url], [output])
    only(output)
    fetch([server.url], [output])
    assert len(server.requests) == 1  # what is there is not asked for again


def test_cut_connections_go_on_where_they_stopped(server, output):
    server.cut = [1_200_000, 1_000_000]
    fetch([server.url], [output], pause=0.01)
    only(output)
    assert [request.get("Range") for request in server.requests] == [
        None,
        "bytes=1200000-",
        "bytes=2200000-",
    ]


def stop_halfway(server, output):
    """A download that failed for good with 1,200,000 bytes on disk."""
    server.cut = [1_200_000] + [0] * 20
    with pytest.raises(MissingDataError, match=r"cannot download http://127.*bytes arrived"):
        fetch([server.url], [output], pause=0.001)
    assert not output.exists()
    assert output.with_name(".set.npz.part").stat().st_size == 1_200_000
    server.cut, server.requests = [], []


def test_a_later_call_asks_for_the_rest_only(server, output):
    stop_halfway(server, output)
    fetch([server.url], [output])
    only(output)
    assert [request.get("Range") for request in server.requests] == ["bytes=1200000-"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_changed_file_is_fetched_afresh(server, output, ranges):
    stop_halfway(server, output)
    server.contents["/set.npz"] = CONTENT[::-1]
    server.tag, server.ranges = '"two"', ranges
    fetch([server.url], [output])
    assert output.read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_or_tags_is_asked_for_all(server, output):
    server.tag, server.ranges = None, False
    server.cut = [1_200_000]
    fetch([server.url], [output], pause=0.01)
    only(output)
    assert [request.get("Range") for request in server.requests] == [None, None]


def test_complete_part_is_taken(server, output, monkeypatch):
    plain = Path.replace

    def killed(self, target):
        if target == output:
            raise KeyboardInterrupt
        return plain(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", killed)
        fetch([server.url], [output])
    assert output.with_name(".set.npz.part").read_bytes() == CONTENT
    server.requests = []
    fetch([server.url], [output])
    only(output)
    assert [request.get("Range") for request in server.requests] == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("name", [".set.npz.part", ".set.npz.tag"])
@pytest.mark.parametrize("keep", [0, 0.3, 0.9])
def test_damaged_pieces_are_fetched_again(server, output, name, keep):
    """A byte is wrong from there on, or the file ends there."""
    for cut in (True, False):
        stop_halfway(server, output)
        left = output.with_name(name)
        content = left.read_bytes()
        at = int(keep * len(content))
        left.write_bytes(
            content[:at] + (b"" if cut else bytes([content[at] ^ 1]) + content[at + 1 :])
        )
        fetch([server.url], [output])
        only(output)
        output.unlink()


def test_overlong_part_is_thrown_away(server, output):
    stop_halfway(server, output)
    output.with_name(".set.npz.part").write_bytes(CONTENT + b"more")
    fetch([server.url], [output])
    only(output)


def test_missing_on_the_server_is_named(server, output):
    with pytest.raises(MissingDataError, match="found HTTP status 404; expected 200; check the"):
        fetch([server.url.replace("set", "other")], [output])
    assert not output.exists()


def test_no_network_is_one_clear_line(server, output):
    server.stop()
    with pytest.raises(MissingDataError) as raised:
        fetch([server.url], [output], pause=0.001)
    line = str(raised.value)
    assert line.startswith(f"{output}: cannot download {server.url} (")
    assert "Connection refused" in line and "check the network" in line
    assert "\n" not in line and "object at" not in line
