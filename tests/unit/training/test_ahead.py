import threading

import pytest

from mac.training.ahead import ahead


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("steps", [range(0), range(3, 4), range(2, 9)])
def test_every_step_is_drawn_once_and_in_order(enabled, steps):
    drawn = []

    def draw(step):
        drawn.append(step)
        return step * step

    assert list(ahead(draw, steps, enabled=enabled)) == [step * step for step in steps]
    assert drawn == list(steps)


def test_the_next_step_is_drawn_while_the_present_one_is_used():
    begun = {step: threading.Event() for step in range(3)}
    found = ahead(lambda step: begun[step].set(), range(3), enabled=True)
    next(found)
    assert begun[1].wait(60) and not begun[2].is_set()
    found.close()


def test_what_goes_wrong_while_drawing_is_raised_where_it_is_used():
    def draw(step):
        if step == 1:
            raise ValueError("no such row")
        return step

    found = ahead(draw, range(3), enabled=True)
    assert next(found) == 0
    with pytest.raises(ValueError, match="no such row"):
        next(found)
