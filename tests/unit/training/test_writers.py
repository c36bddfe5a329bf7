"""The log of a training: one file always, and writers that may fail."""

import pytest

from mac.training.writers import writing

ROWS = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25, "held_out/loss": 1.0}]


class Kept:
    """A writer that keeps what it gets, or raises where it is told to."""

    def __init__(self, fails=""):
        self.fails, self.calls = fails, []

    def _call(self, name, *what):
        if name == self.fails:
            raise RuntimeError("no\nroute")
        self.calls.append((name, *what))

    def open(self, step):
        self._call("open", step)
        return self

    def write(self, row):
        self._call("write", row["step"])

    def close(self, *, finished):
        self._call("close", finished)


def test_the_file_has_a_column_for_each_quantity(tmp_path):
    path = tmp_path / "metrics.csv"
    with writing(path, ROWS[:1], 1) as write:
        write(ROWS[1])
        assert not path.exists()
    assert path.read_text() == "step,held_out/loss,loss\n1,,0.5\n2,1.0,0.25\n"


def test_other_writers_get_only_what_is_new(tmp_path):
    other = Kept()
    with writing(tmp_path / "metrics.csv", ROWS[:1], 1, [other.open]) as write:
        write(ROWS[1])
    assert other.calls == [("open", 1), ("write", 2), ("close", True)]


@pytest.mark.parametrize("error", [SystemExit, ValueError])
def test_interrupted_work_leaves_no_file_and_says_so(tmp_path, error):
    other = Kept()
    with pytest.raises(error), writing(tmp_path / "metrics.csv", [], 0, [other.open]) as write:
        write(ROWS[0])
        raise error
    assert other.calls[-1] == ("close", False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("fails", "before"), [("open", 0), ("write", 1), ("close", 3)])
def test_a_writer_that_fails_is_dropped_with_one_line(tmp_path, capsys, fails, before):
    broken, sound = Kept(fails), Kept()
    path = tmp_path / "metrics.csv"
    with writing(path, [], 0, [broken.open, sound.open]) as write:
        for row in ROWS:
            write(row)
    assert len(broken.calls) == before and len(sound.calls) == 4
    assert len(path.read_text().splitlines()) == 3
    line = capsys.readouterr().err
    assert line == "mac: compute.writers: given up: RuntimeError: no route\n"
