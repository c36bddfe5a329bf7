import errno
import signal
import subprocess
import sys
import threading
import time

import pytest

from mac import locks
from mac.errors import LockError
from mac.locks import alone, first_free

HOLD = """
import sys, time
from pathlib import Path
from mac.locks import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def start(path):
    """A thread that wants the lock, and what it found: empty while it waits."""
    found = []

    def work():
        with alone(path) as waited:
            found.append(waited)
            leave.wait(10)

    leave = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    return thread, found, leave


def until(condition):
    patience = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.01)


def test_a_lock_that_is_free_is_taken_and_leaves_no_file(tmp_path):
    path = tmp_path / "locks" / "job"
    with alone(path) as waited:
        assert not waited and path.exists()
    assert not path.exists()
    with alone(path) as waited:
        assert not waited


def test_only_one_holds_it_however_many_want_it(tmp_path, capfd):
    path = tmp_path / "job"
    with alone(path):
        second, found, leave = start(path)
        until(lambda: "waiting for another process" in capfd.readouterr().err)
        assert found == []
    until(lambda: found == [True])
    # The first has removed its file, which the second was waiting for; a third must still wait.
    third, other, leave_too = start(path)
    until(lambda: "waiting for another process" in capfd.readouterr().err)
    assert other == []
    leave.set()
    until(lambda: other == [True])
    leave_too.set()
    second.join(10)
    third.join(10)
    assert not path.exists()


def test_a_killed_holder_holds_nothing(tmp_path):
    path = tmp_path / "job"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with first_free([path]) as position:
            assert position is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert path.exists()
    with alone(path) as waited:
        assert not waited
    assert not path.exists()


def test_each_takes_the_first_that_is_free(tmp_path):
    paths = [tmp_path / "0", tmp_path / "1"]
    with first_free(paths) as one:
        with first_free(paths) as two, first_free(paths) as three:
            assert (one, two, three) == (0, 1, None)
        with first_free(paths) as again:
            assert again == 1
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def flock(handle, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with pytest.raises(LockError, match=r"job: this file system has no locks \(No locks available"):
        alone(tmp_path / "job").__enter__()
