import math
import os
import signal
import time
from contextlib import suppress

import pytest

from mac.stopping import Deadline, Interrupted, signalled


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("minutes", "seconds"), [(None, math.inf), (0.1, 4.5), (1, 45), (8, 360), (60, 3480)]
)
def test_the_limit_leaves_time_for_what_surrounds_the_work(minutes, seconds):
    clock = Clock()
    deadline = Deadline(minutes, clock=clock)
    assert not deadline.near()
    if minutes is None:
        clock.now += 1e9
        assert not deadline.near(1e9)
        return
    clock.now += seconds - 10
    assert not deadline.near(9.5) and deadline.near(10.5)
    clock.now += 10.5
    assert deadline.near()


def test_a_limit_that_began_before_ends_earlier_and_one_of_the_future_not_later():
    for began, seconds in ((30, 15), (100, -55), (-1000, 45)):
        clock = Clock()
        deadline = Deadline(1, time.time() - began, clock=clock)
        assert not deadline.near(seconds - 5) and deadline.near(seconds + 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_its_handler_put_back(number):
    before = signal.getsignal(number)
    with signalled() as code:
        assert code() == 0
        os.kill(os.getpid(), number)
        assert code() == 128 + number
    assert signal.getsignal(number) is before


def test_an_error_that_a_library_made_of_a_signal_is_the_signals():
    with pytest.raises(Interrupted) as stopped, signalled(at_once=True):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Interrupted:
            raise ValueError("not a readable file") from None
    assert stopped.value.code == 128 + signal.SIGTERM


def test_a_signal_that_a_library_swallowed_is_told_of():
    with signalled(at_once=True) as code:
        with suppress(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
        assert code() == 128 + signal.SIGTERM


def test_errors_without_a_signal_stay_what_they_are():
    with pytest.raises(ValueError, match="mine"), signalled(at_once=True):
        raise ValueError("mine")
