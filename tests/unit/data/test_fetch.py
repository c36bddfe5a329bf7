"""Downloads from a real local server that can cut connections and change its mind."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from mac.data.fetch import fetch
from mac.errors import MissingDataError

CONTENT = np.random.default_rng(0).bytes(3_000_000)


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.content``; ``server.cut`` answers stop after so many bytes each."""

    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        if self.path != "/set.npz":
            self.send_error(404)
            return
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and server.ranges and self.headers.get("If-Range") == server.tag:
            start = int(asked[1])
            if start >= len(server.content):
                self.send_error(416)
                return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        self.wfile.write(body[: server.cut.pop(0)] if server.cut else body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.tag, server.ranges, server.cut = CONTENT, '"one"', True, []
    server.requests = []
    server.url = f"http://127.0.0.1:{server.server_port}/set.npz"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


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
    server.content = CONTENT[::-1]
    server.tag, server.ranges = '"two"', ranges
    fetch([server.url], [output])
    assert output.read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_or_tags_is_asked_for_all(server, output):
    server.tag, server.ranges = None, False
    server.cut = [1_200_000]
    fetch([server.url], [output], pause=0.01)
    only(output)
    assert [request.get("Range") for request in server.requests] == [None, None]


def test_complete_part_is_taken(server, output):
    stop_halfway(server, output)
    output.with_name(".set.npz.part").write_bytes(CONTENT)
    fetch([server.url], [output])
    only(output)


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
    server.shutdown()
    server.server_close()
    with pytest.raises(MissingDataError) as raised:
        fetch([server.url], [output], pause=0.001)
    line = str(raised.value)
    assert line.startswith(f"{output}: cannot download {server.url} (")
    assert "Connection refused" in line and "check the network" in line
    assert "\n" not in line and "object at" not in line
