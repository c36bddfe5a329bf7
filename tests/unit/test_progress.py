import io
import sys

import pytest

from mac.progress import Lines, _duration, progress, size


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_one_line_per_interval_with_rate_of_this_process():
    clock, out = Clock(), io.StringIO()
    lines = Lines(1000, "updates", "train_model", 400, stream=out, interval=60, clock=clock)
    for _ in range(130):  # 130 seconds, 2 updates a second
        clock.now += 1
        lines.update(2)
    first, second = out.getvalue().splitlines()
    assert first == "train_model: 520/1000 updates (52%), 2 updates/s, 4m00s left"
    assert second == "train_model: 640/1000 updates (64%), 2 updates/s, 3m00s left"


def test_bytes_are_shown_as_sizes():
    clock, out = Clock(), io.StringIO()
    lines = Lines(3_000_000_000, "bytes", "fetch", stream=out, interval=60, clock=clock)
    clock.now += 60
    lines.update(1_500_000_000)
    assert out.getvalue() == "fetch: 1.5 GB of 3 GB (50%), 25 MB/s, 1m00s left\n"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        *[(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (12_345_678, "12.3 MB")],
        *[(56e9, "56 GB"), (1234e9, "1,234 GB")],
    ],
)
def test_sizes(amount, text):
    assert size(amount) == text


def test_log_gets_a_last_line_even_when_the_work_fails(capsys):
    with pytest.raises(KeyError), progress(5, "episodes", "evaluate", initial=1) as bar:
        bar.update(3)
        raise KeyError
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("evaluate: 4/5 episodes (80%), ")
    assert captured.err.count("\n") == 1


def test_terminal_gets_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress(4, "updates", "bar", initial=1) as bar:
        bar.update(3)
    assert "\r" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0s"), (59.4, "59s"), (59.6, "1m00s"), (303, "5m03s"), (7500, "2h05m")],
)
def test_durations(seconds, text):
    assert _duration(seconds) == text
