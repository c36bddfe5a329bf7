from dataclasses import replace

import numpy as np
import pytest

from mac import rng
from mac.envs import names, ogbench, relabel
from mac.envs.registry import EnvSpec
from tests.specs import ROBOTS, manipulation

pytestmark = pytest.mark.filterwarnings("ignore:.*precision lowered by casting")


@pytest.mark.parametrize(
    "spec",
    [*ROBOTS.values(), manipulation("cube-octuple", 91, 24, 1500)],
    ids=lambda spec: spec.name,
)
def test_every_number_has_a_name_of_its_own(spec):
    for found, width in (
        (ogbench.observation_names(spec), spec.observation_dim),
        (ogbench.goal_names(spec), spec.goal_dim),
    ):
        assert len(found) == len(set(found)) == width


def test_names_are_true_of_the_scene():
    """What is known from the simulator's state stands where the name says."""
    spec = replace(ROBOTS["scene"], dataset="scene-noisy")
    rows = ogbench.collector(spec).episode(rng.stream(0, "names"), 80)
    columns = dict(zip(ogbench.observation_names(spec), rows["observations"].T, strict=True))
    qpos, layout = rows["qpos"].astype(np.float64), relabel._layout(spec.env_id)
    start = relabel.OBJECT_START
    truth = {
        "arm joint 3 angle (rad)": qpos[:, 3],
        "cube 0 x (dm)": (qpos[:, start] - 0.425) * 10,
        "cube 0 quaternion z": qpos[:, start + 6],
        "button 1 is 1": rows["button_states"][:, 1],
        "button 1 position (x120)": qpos[:, start + relabel.CUBE_WIDTH + 1] * 120,
        "drawer position (x18)": qpos[:, layout.drawer] * 18,
        "window position (x15)": qpos[:, layout.drawer + 1] * 15,
    }
    for name, values in truth.items():
        assert np.abs(columns[name] - values).max() < 1e-3, name
    goals = ogbench.oracle_goals(spec, rows["qpos"], rows["button_states"])
    for name, values in zip(ogbench.goal_names(spec), goals.T, strict=True):
        key = {"button 0": "button 0 is 1", "button 1": "button 1 is 1"}.get(name, name)
        assert np.abs(columns[key] - values).max() < 1e-3, name


@pytest.mark.parametrize(
    ("body", "width", "first", "last"),
    [
        ("pointmaze", 2, "x (m)", "y (m)"),
        ("antmaze", 29, "torso x (m)", "joint 7 speed (rad/s)"),
        ("humanoidmaze", 69, "torso x (m)", "joint 20 speed (rad/s)"),
        ("antsoccer", 42, "number 0", "number 41"),
    ],
)
def test_what_moves_through_a_maze(body, width, first, last):
    found = names.body_observation(f"{body}-medium-v0", width)
    assert len(found) == len(set(found)) == width
    assert (found[0], found[-1]) == (first, last)
    maze = EnvSpec("m", "m", "humanoidmaze-medium-v0", 5, 69, 21, 2, 2000)
    assert ogbench.observation_names(maze)[23] == "head height (m)"
    assert ogbench.goal_names(maze) == ["x (m)", "y (m)"]
