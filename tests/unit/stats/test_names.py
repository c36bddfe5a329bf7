import pytest

from mac.errors import MacError
from mac.stats.names import meant, short_task


def test_short_names():
    assert short_task("cube-single-play-singletask-task3-v0") == "task 3"
    assert short_task("scene-play") == "scene-play"


TASKS = {
    name: (f"{environment}, task {number}", name, f"task {number}")
    for environment in ("cube", "scene")
    for number in (1, 10, 2)[: 3 if environment == "cube" else 1]
    for name in [f"{environment}-play-task{number}-v0"]
}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("cube-play-task1-v0", "cube-play-task1-v0"),
        ("cube, task 1", "cube-play-task1-v0"),
        ("Cube, task 10", "cube-play-task10-v0"),
        ("task 10", "cube-play-task10-v0"),
        ("task2", "cube-play-task2-v0"),
        ("scene", "scene-play-task1-v0"),
    ],
)
def test_short_names_mean_the_one_that_they_fit(given, name):
    assert meant(given, TASKS, "task") == name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("task 1", "task 1: several tasks of this name; expected cube, task 1; scene, task 1"),
        ("cube", "several tasks of this name; expected cube, task 1; cube, task 10; cube, task 2"),
        ("task 9", "no such task; expected cube, task 1; cube, task 10; cube, task 2; scene"),
    ],
)
def test_others_are_refused_with_the_known(given, message):
    with pytest.raises(MacError, match=message):
        meant(given, TASKS, "task")
