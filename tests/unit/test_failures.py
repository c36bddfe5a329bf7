"""A failure for good ends later attempts; one of the machine or the moment does not."""

import errno
import inspect
import os

import pytest

from mac import errors
from mac.errors import DataError, MacError, SystemFault, TrainingError, refused
from mac.failures import remembered

PERMANENT = {"ConfigError", "DataError", "MissingDataError", "ShapeError", "CheckpointError"}
PERMANENT |= {"TrainingError"}


@pytest.fixture
def attempt(tmp_path):
    """Runs one attempt that reads ``tmp_path/data``; returns whether it got as far as to work."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_text("one")

    def run(error=None):
        worked = []
        try:
            reads = [tmp_path / "data", tmp_path / "absent"]
            with remembered(tmp_path / "memory" / "job.json", reads, remedy="mend it"):
                worked.append(True)
                if error is not None:
                    raise error
        except MacError as raised:
            return bool(worked), str(raised)
        return bool(worked), None

    return run


def test_the_same_message_without_the_work_and_then_what_to_do(attempt):
    assert attempt(TrainingError("a loss is not finite")) == (True, "a loss is not finite")
    for _ in range(2):
        assert attempt() == (False, "a loss is not finite; mend it")


def test_what_may_go_better_next_time_is_forgotten(attempt):
    assert attempt(SystemFault("no room"))[0]
    assert attempt() == (True, None)


def test_inputs_made_anew_count_at_once(attempt, tmp_path):
    attempt(DataError("damaged"))
    assert attempt()[0] is False
    (tmp_path / "data" / "x").write_text("another")
    assert attempt() == (True, None)
    assert not (tmp_path / "memory" / "job.json").exists()


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b"\xff"])
def test_a_torn_memory_is_none(attempt, tmp_path, torn):
    attempt(DataError("damaged"))
    (tmp_path / "memory" / "job.json").write_bytes(torn)
    assert attempt() == (True, None)


def test_which_classes_are_permanent():
    """A new class must choose: what a job is a function of, or the machine and the moment."""
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__]
    own = [c for c in classes if issubclass(c, MacError)]
    assert {c.__name__ for c in own if c.permanent} == PERMANENT
    assert {c.__name__ for c in own} - PERMANENT == {
        *("MacError", "MissingInputError", "UnreachableError"),
        *("DeviceError", "LockError", "SystemFault"),
    }


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "a/b: no room is left on the disk"),
        (errno.EROFS, "a/b: the file system is read-only"),
        (errno.EACCES, "a/b: no permission"),
    ],
)
def test_what_the_system_refuses_is_one_line(number, says):
    told = str(refused(OSError(number, os.strerror(number), "a/b")))
    assert told.startswith(says) and "run it again" in told


def test_other_errors_of_the_system_may_be_our_own_fault():
    assert refused(OSError(errno.ENOTDIR, "x")) is None
