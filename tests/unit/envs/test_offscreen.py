"""Pictures of a simulation: where they can be drawn, and what is said where they cannot."""

import mujoco
import numpy as np
import pytest

from mac.envs import offscreen, ogbench
from mac.errors import DeviceError
from tests.specs import ROBOTS


def can_draw():
    try:
        return bool(offscreen.backend())
    except DeviceError:
        return False


@pytest.fixture
def no_backend(monkeypatch):
    monkeypatch.setattr(offscreen, "BACKENDS", ("absent",))
    offscreen.backend.cache_clear()
    yield
    offscreen.backend.cache_clear()


def test_without_a_backend_a_picture_is_refused_and_the_episode_goes_on(no_backend):
    simulation = ogbench.make(ROBOTS["cube-single"], "goal")
    simulation.reset(1, 1)
    with pytest.raises(DeviceError, match="nothing to draw with on this machine"):
        simulation.picture(32)
    assert np.isfinite(simulation.step(np.zeros(5)).observation).all()
    simulation.close()


def test_what_is_high_is_at_the_top_of_a_picture():
    if not can_draw():
        pytest.skip("needs EGL or OSMesa")
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><statistic extent="3"/><visual><headlight ambient="1 1 1"/></visual><worldbody>
        <camera name="front" pos="0 -3 0" xyaxes="1 0 0 0 0 1"/>
        <geom type="sphere" size=".4" pos="0 0 .7"/>
        </worldbody></mujoco>"""
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = offscreen.Camera(model, 32)
    picture = camera.shot(data)
    camera.close()
    assert picture[:16].mean() > picture[16:].mean() + 10


def test_a_picture_shows_the_state_and_changes_no_episode():
    if not can_draw():
        pytest.skip("needs EGL or OSMesa")
    drawn, plain = (ogbench.make(ROBOTS["cube-single"], "goal") for _ in range(2))
    for simulation in (drawn, plain):
        simulation.reset(1, 1)
    first = drawn.picture(64)
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8 and first.std() > 10
    assert np.array_equal(first, drawn.picture(64))
    for action in np.linspace(-1, 1, 10):
        steps = [s.step(np.full(5, action)) for s in (drawn, plain)]
        assert np.array_equal(steps[0].observation, steps[1].observation)
    assert not np.array_equal(first, drawn.picture(64))
    drawn.close()
    plain.close()
