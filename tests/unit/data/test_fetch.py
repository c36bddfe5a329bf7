"""Fetching from real local servers that misbehave on purpose: nothing lost, nothing wrong taken."""

import io
import json
import signal
import subprocess
import sys
import time
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from mac.data import fetch as module
from mac.data.fetch import Wanted, fetch
from mac.data.manifest import Manifest
from mac.data.released import check_raw
from mac.data.transfer import Patience
from mac.errors import DataError, MacError, SystemFault, UnreachableError
from tests.server import FileServer
from tests.specs import POINTMASS

ROWS = 80_000
NAME = "set.npz"
HASTY = Patience(introductions=2, attempts=3, pause_s=0.001, longest_pause_s=0.01)


def npz(seed=0, **changes):
    """Bytes of a raw file of the point mass, with some arrays changed."""
    stream = np.random.default_rng(seed)
    terminals = np.zeros(ROWS, np.float32)
    terminals[99::100] = 1
    arrays = {
        "observations": stream.random((ROWS, 4), np.float32),
        "actions": stream.random((ROWS, 2), np.float32),
        "terminals": terminals,
        "qpos": stream.random((ROWS, 2), np.float32),
        **changes,
    }
    out = io.BytesIO()
    np.savez(out, **{key: array for key, array in arrays.items() if array is not None})
    return out.getvalue()


CONTENT = npz()
HALF = 1_200_000  # bytes; more than a piece
KNOWN = {"bytes": len(CONTENT), "sha256": sha256(CONTENT).hexdigest()}


@pytest.fixture
def server():
    with FileServer({f"/{NAME}": CONTENT}) as server:
        yield server


@pytest.fixture
def mirror():
    with FileServer({f"/{NAME}": CONTENT}) as server:
        yield server


class Folder:
    """A folder of raw files and a manifest."""

    def __init__(self, path):
        self.path, self.output = path / "raw" / "toy", path / "raw" / "toy" / NAME
        self.manifest = path / "datasets" / "manifest.json"
        self.part = self.output.with_name(f".{NAME}.part")

    def get(self, *places, names=(NAME,), patience=HASTY, parallel=2, check=None):
        roots = [place.root if isinstance(place, FileServer) else str(place) for place in places]
        return fetch(
            [Wanted(self.path / name, [f"{root}/{name}" for root in roots]) for name in names],
            check or partial(check_raw, spec=POINTMASS),
            Manifest("toy", [self.manifest]),
            parallel=parallel,
            patience=patience,
            remedy=lambda: "collect it",
        )

    def know(self, **changes):
        """Let the manifest know the file."""
        self.manifest.parent.mkdir(exist_ok=True)
        self.manifest.write_text(json.dumps({"toy": {NAME: {**KNOWN, **changes}}}))

    def only(self, content=CONTENT, aside=0):
        """The complete file is there, and nothing else but what was set aside."""
        assert self.output.read_bytes() == content
        there = {path.name for path in self.path.iterdir()} - {".checked.json", "wrong"}
        assert there == {NAME}
        assert len(list(self.path.glob("wrong/*"))) == aside


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def ranges(server):
    return [request.get("Range") for request in server.requests]


def test_plain_download_is_trusted_once_and_says_so(folder, server, capsys):
    assert folder.get(server) == {NAME: KNOWN}
    folder.only()
    assert json.loads(folder.manifest.read_text()) == {"toy": {NAME: KNOWN}}
    said = capsys.readouterr().err
    assert "nobody had seen set.npz before; trusted now" in said and "commit it" in said
    folder.get(server)
    assert len(server.requests) == 1 == len(server.heads)  # it is not asked for again
    assert "trusted" not in capsys.readouterr().err


def test_progress_has_amount_rate_and_rest(folder, server, capsys):
    folder.get(server)
    said = capsys.readouterr().err
    assert "fetch toy: 2.88 MB to bring, files: 1, from 127.0.0.1" in said
    assert "fetch toy: 2.88 MB of 2.88 MB (100%), " in said and "B/s" in said


def test_cut_connections_go_on_where_they_stopped(folder, server, capsys):
    server.cut = [HALF, 1_100_000]
    folder.get(server)
    folder.only()
    assert f"1200000 of {len(CONTENT)} bytes arrived; asked again\n" in capsys.readouterr().err
    assert ranges(server) == [None, "bytes=1200000-", "bytes=2300000-"]


def test_patience_begins_anew_with_every_piece_that_arrives(folder, server):
    server.cut = [1_100_000, 1_100_000, 10]  # as many cuts as attempts
    folder.get(server)
    folder.only()
    assert len(server.requests) == 4


def stop_halfway(folder, server):
    """A download that failed for good with a part of the file on disk."""
    server.cut = [HALF] + [0] * 20
    with pytest.raises(UnreachableError, match=r"set.npz cannot be had; sought in http://127.*arr"):
        folder.get(server)
    assert not folder.output.exists()
    assert folder.part.stat().st_size == HALF
    server.cut, server.requests = [], []


def test_a_later_call_asks_for_the_rest_only(folder, server):
    stop_halfway(folder, server)
    folder.get(server)
    folder.only()
    assert ranges(server) == ["bytes=1200000-"]


@pytest.mark.parametrize("with_ranges", [True, False])
def test_a_changed_file_is_fetched_afresh(folder, server, with_ranges):
    stop_halfway(folder, server)
    other = server.contents[f"/{NAME}"] = npz(1)
    server.tag, server.ranges = '"two"', with_ranges
    folder.get(server)
    folder.only(other)


@pytest.mark.parametrize("head", [True, False])
def test_a_server_without_ranges_tags_or_sizes_is_asked_for_all(folder, server, head):
    server.tag, server.ranges, server.answers_head = None, False, head
    server.cut = [HALF]
    folder.get(server)
    folder.only()
    assert ranges(server) == [None, None]


def test_a_complete_part_is_taken(folder, server):
    stop_halfway(folder, server)
    folder.part.write_bytes(CONTENT)
    folder.get(server)
    folder.only()


def test_a_complete_part_of_a_known_file_needs_no_request(folder, server):
    folder.know()
    folder.path.mkdir(parents=True)
    folder.part.write_bytes(CONTENT)
    folder.get(server)
    folder.only()
    assert not server.requests


@pytest.mark.parametrize("known", [True, False])
def test_an_overlong_part_is_thrown_away(folder, server, known):
    if known:
        folder.know()
    stop_halfway(folder, server)
    if known:  # as if from another mirror
        folder.part.with_name(f".{NAME}.part.tag").unlink()
    folder.part.write_bytes(CONTENT + b"more")
    folder.get(server)
    folder.only()


def test_what_is_known_goes_on_from_another_mirror(folder, server, mirror):
    folder.know()
    stop_halfway(folder, server)
    server.contents.clear()
    folder.get(server, mirror)
    folder.only()
    assert ranges(mirror) == ["bytes=1200000-"]


def test_what_is_not_known_begins_anew_at_another_mirror(folder, server, mirror):
    stop_halfway(folder, server)
    server.contents.clear()
    folder.get(server, mirror)
    folder.only()
    assert ranges(mirror) == [None]


def test_a_damaged_beginning_costs_one_more_download(folder, server, capsys):
    folder.know()
    folder.path.mkdir(parents=True)
    folder.part.write_bytes(bytes(HALF))  # as after a loss of power
    folder.get(server)
    folder.only(aside=1)
    assert ranges(server) == ["bytes=1200000-", None]
    assert "instead of" in capsys.readouterr().err


def test_a_place_that_always_cuts_and_damages_is_given_up(folder, server, mirror):
    server.damaged, server.cut = 10, [HALF, 1 << 30, HALF, 1 << 30]
    folder.get(server, mirror)
    folder.only(aside=1)
    assert len(server.requests) == 4


@pytest.mark.parametrize("known", [True, False])
def test_damaged_bytes_are_set_aside_and_fetched_elsewhere(folder, server, mirror, known, capsys):
    if known:
        folder.know()
    server.damaged = 10
    folder.get(server, mirror)
    folder.only(aside=1)
    said = capsys.readouterr().err
    assert f"set aside: {folder.path}/wrong/set.npz." in said and server.root in said
    assert len(server.requests) == len(mirror.requests) == 1


def test_damage_everywhere_is_an_error_and_no_file(folder, server):
    server.damaged = 10
    with pytest.raises(UnreachableError, match=r"sought in .*(damaged|Bad CRC)"):
        folder.get(server)
    assert not folder.output.exists() and not folder.manifest.exists()


@pytest.mark.parametrize("head", [True, False])
def test_a_size_that_is_not_the_known_one_is_not_fetched(folder, server, mirror, head, capsys):
    folder.know()
    server.contents[f"/{NAME}"], server.answers_head = npz(1, extra=np.zeros(3)), head
    folder.get(server, mirror)
    folder.only()
    assert len(server.requests) == (0 if head else 1)
    assert "set aside" not in capsys.readouterr().err


def test_another_content_of_the_same_size_is_refused_everywhere(folder, server, mirror):
    folder.know()
    server.contents[f"/{NAME}"] = mirror.contents[f"/{NAME}"] = npz(1)
    with pytest.raises(UnreachableError, match=r"SHA-256 \w+… instead of \w+…\); .*SHA-256"):
        folder.get(server, mirror)
    assert not folder.output.exists()
    assert json.loads(folder.manifest.read_text()) == {"toy": {NAME: KNOWN}}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("lie", [1000, -1000])
def test_wrong_lengths(folder, server, mirror, lie, known):
    if known:
        folder.know()
    server.lie = lie
    folder.get(server, mirror)
    folder.only(aside=0 if known or lie > 0 else 1)


def test_a_length_that_nobody_tells_is_no_excuse_for_a_cut(folder, server, mirror):
    server.tells_length, server.cut = False, [HALF]
    folder.get(server, mirror)
    folder.only(aside=1)


def test_another_part_than_was_asked_for_is_refused(folder, server, mirror):
    folder.know()
    server.cut, server.shift = [HALF], 5
    folder.get(server, mirror)
    folder.only()
    assert ranges(mirror) == ["bytes=1200000-"]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_is_not_there_is_sought_in_the_next_place(folder, server, mirror, status):
    server.refusals = [(status, {})]
    folder.get(server, mirror)
    folder.only()


def test_what_is_nowhere_is_known_before_the_first_byte(folder, server, mirror):
    with pytest.raises(UnreachableError) as raised:
        folder.get(server, mirror, names=(NAME, "a.npz", "b.npz", "c.npz", "d.npz"))
    line = str(raised.value)
    assert "a.npz, b.npz, c.npz and 1 more cannot be had; sought in" in line
    assert line.count("HTTP status 404") == 2 and line.endswith("; collect it")
    assert not server.requests and not mirror.requests


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("wait", ["0", "7200", "soon", None])
def test_a_busy_server_is_asked_again(folder, server, status, wait):
    server.refusals = [(status, {} if wait is None else {"Retry-After": wait})] * 2
    folder.get(server)
    folder.only()
    assert len(server.requests) == 3


@pytest.mark.parametrize(("asked", "waited"), [("5", 5), ("7200", 7), (None, 2)])
def test_the_servers_wish_is_heeded_up_to_a_bound(folder, server, monkeypatch, asked, waited):
    pauses = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", pauses.append)
    server.refusals = [(503, {} if asked is None else {"Retry-After": asked})] * 2
    folder.get(server, patience=Patience(attempts=3, pause_s=1, longest_pause_s=7))
    folder.only()
    assert max(pauses) == waited  # the server pauses too, for 0 s


def test_a_server_that_stays_busy_is_given_up(folder, server, mirror):
    server.refusals = [(503, {})] * 99
    folder.get(server, mirror)
    folder.only()
    assert len(server.requests) == HASTY.attempts


def test_a_slow_drip_is_a_broken_connection(folder, server, mirror):
    server.piece, server.pause = 1, 0.02
    patience = Patience(
        attempts=2, pause_s=0.001, slow_bytes_per_s=10_000, slow_after_s=0.2, silence_s=5
    )
    folder.get(server, mirror, patience=patience)
    folder.only()
    assert len(server.requests) == 2


def test_silence_is_a_broken_connection(folder, server, mirror):
    server.piece, server.pause = 1, 1.0
    folder.get(server, mirror, patience=Patience(attempts=2, pause_s=0.001, silence_s=0.1))
    folder.only()


def test_a_page_instead_of_the_file_is_set_aside(folder, server, mirror):
    server.contents[f"/{NAME}"] = b"<html>log in first</html>"
    folder.get(server, mirror)
    folder.only(aside=1)


@pytest.mark.parametrize("hop", [0, 1])
def test_a_way_that_leaves_https_is_not_taken(folder, monkeypatch, hop):
    import requests

    def answer(self, method, address, **options):
        first, last = requests.Response(), requests.Response()
        first.url, last.url, last.raw = address, address, io.BytesIO()
        (first, last)[hop].url = "http://example.org/elsewhere"
        last.status_code, last.history = 200, [first]
        return last

    monkeypatch.setattr(requests.Session, "request", answer)
    with pytest.raises(UnreachableError, match="a way that leaves https"):
        folder.get("https://example.org")


def test_no_network_is_one_clear_line(folder, server):
    server.stop()
    names = tuple(f"{i}.npz" for i in range(6))
    with pytest.raises(UnreachableError) as raised:
        folder.get(server, names=names)
    line = str(raised.value)
    assert line.startswith(f"{folder.path}: 0.npz, 1.npz, 2.npz and 3 more cannot be had; sought")
    assert f"{server.root}/0.npz (" in line and "Connection refused" in line
    assert "\n" not in line and "object at" not in line and not raised.value.permanent


def test_a_host_that_does_not_answer_is_asked_for_one_file_only(folder, server, monkeypatch):
    import requests

    asked = []

    def refuse(self, method, address, **options):
        asked.append(address)
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests.Session, "request", refuse)
    with pytest.raises(UnreachableError, match="no route"):
        folder.get(server, names=("a.npz", "b.npz", "c.npz"), parallel=1)
    assert asked == [f"{server.root}/a.npz"] * HASTY.introductions


def test_what_a_killed_process_left_goes_away(folder, server):
    folder.path.mkdir(parents=True)
    folder.output.write_bytes(CONTENT)
    for name in (".set.npz.part.tag", ".set.npz.part", ".set.npz.taken"):
        (folder.path / name).write_text("{}")
    folder.get(server)
    folder.only()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observations": np.zeros((ROWS, 5), np.float32)}, "observations: wrong shape"),
        ({"actions": np.full((ROWS, 2), np.nan, np.float32)}, "actions: not finite"),
        ({"actions": np.full((ROWS, 2), 2, np.float32)}, "actions: action out of range"),
        ({"terminals": np.zeros(ROWS, np.float32)}, "terminals: the last row must end"),
        ({"qpos": None}, "qpos: array is missing"),
        ({"qpos": np.full((ROWS, 2), "x")}, "qpos: wrong type"),
    ],
)
def test_content_that_the_format_does_not_allow_is_never_trusted(folder, server, changes, message):
    server.contents[f"/{NAME}"] = npz(**changes)
    with pytest.raises(UnreachableError, match=message):
        folder.get(server)
    assert not folder.output.exists() and not folder.manifest.exists()


def test_damage_in_an_array_that_nobody_reads_is_damage(tmp_path):
    content = bytearray(npz(qvel=np.zeros((ROWS, 2), np.float32)))
    content[-ROWS] ^= 1  # the last array is in the archive's last half MB
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(DataError, match=r"set.npz: qvel: damaged"):
        check_raw(tmp_path / NAME, POINTMASS)


def test_a_folder_is_used_where_it_is(folder, server, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / NAME).write_bytes(CONTENT)
    linked = []

    def check(path):
        linked.append(path.samefile(own / NAME))
        assert not folder.part.exists()  # a later download would write into the user's file

    folder.get(own, server, check=check)
    folder.only()
    assert linked == [True] and folder.output.samefile(own / NAME) and not server.heads


def test_a_wrong_file_of_the_users_stays_where_it_is(folder, server, tmp_path, capsys):
    own = tmp_path / "own"
    own.mkdir()
    (own / NAME).write_bytes(CONTENT[:HALF])
    folder.get(own, server)
    folder.only()
    assert (own / NAME).read_bytes() == CONTENT[:HALF]
    assert f"given up: {own / NAME} (not a whole npz file" in capsys.readouterr().err


def test_a_file_put_there_by_hand_counts_if_it_is_right(folder, server):
    folder.path.mkdir(parents=True)
    folder.output.write_bytes(CONTENT)
    folder.get(server)
    folder.only()
    assert not server.heads
    folder.output.write_bytes(npz(1))
    folder.get(server)
    folder.only(aside=1)


def test_no_more_than_the_cap_at_a_time(folder, server):
    server.pause = 0.001
    names = tuple(f"{i}.npz" for i in range(6))
    server.contents = {f"/{name}": npz(i) for i, name in enumerate(names)}
    folder.get(server, names=names, parallel=2)
    assert all((folder.path / name).exists() for name in names)
    assert server.busiest <= 2


def test_no_room_is_known_before_the_first_byte(folder, server, monkeypatch):
    usage = type("Usage", (), {"free": len(CONTENT) - 1})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SystemFault, match=r"no room.*found 2.88 MB free; expected 2.88 MB"):
        folder.get(server)
    assert not server.requests


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_a_disk_that_fills_up_loses_nothing(small_disk, server):
    folder = Folder(small_disk)
    server.answers_head = server.tells_length = False  # so nobody knows beforehand
    with pytest.raises(OSError, match=r"No space left on device: .*part"):
        folder.get(server)
    arrived = folder.part.stat().st_size
    assert arrived > HALF and CONTENT.startswith(folder.part.read_bytes())
    assert not folder.output.exists()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    server.requests.clear()
    folder.get(server)
    folder.only()
    assert ranges(server) == [f"bytes={arrived}-"]


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.unit.data.test_fetch import Folder
Folder(Path(sys.argv[1])).get(sys.argv[2])
"""


def start(folder, server):
    """The same in a process of its own."""
    root = Path(__file__).parents[3]
    where = [str(folder.path.parent.parent), server.root, str(root)]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *where], stderr=subprocess.PIPE)


def test_killed_in_mid_file_it_goes_on_there(folder, server):
    server.pause = 0.01
    process = start(folder, server)
    while not folder.part.exists() or folder.part.stat().st_size < HALF:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    arrived, server.pause = folder.part.stat().st_size, 0.0
    assert arrived < len(CONTENT) and not folder.output.exists()
    folder.get(server)
    folder.only()
    assert ranges(server) == [None, f"bytes={arrived}-"]


def test_two_processes_fetch_once(folder, server):
    server.pause = 0.003
    processes = [start(folder, server) for _ in range(2)]
    assert [process.communicate() and process.returncode for process in processes] == [0, 0]
    folder.only()
    assert len(server.requests) == 1


def test_errors_of_one_line_only(folder, server):
    server.contents[f"/{NAME}"] = npz(observations=np.zeros((ROWS, 5), np.float32))
    with pytest.raises(MacError) as raised:
        folder.get(server)
    assert "\n" not in str(raised.value) and f".{NAME}.part" not in str(raised.value)
