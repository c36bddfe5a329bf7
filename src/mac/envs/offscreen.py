"""Pictures of a MuJoCo simulation on a machine without a display, where it has EGL or OSMesa."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from importlib import import_module
from typing import Any

import mujoco
import numpy as np

from mac.errors import DeviceError

BACKENDS = ("egl", "osmesa")
_PROBE = "import sys, importlib; importlib.import_module('mujoco.' + sys.argv[1]).GLContext(8, 8)"


@cache
def backend() -> str:
    """The first way of drawing that works here.

    Each is tried in a process of its own: one that fails leaves OpenGL's loader unfit for the next,
    or takes the process with it.
    """
    for name in BACKENDS:
        command = [sys.executable, "-c", _PROBE, name]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return name
    raise DeviceError(
        "nothing to draw with on this machine",
        expected=" or ".join(BACKENDS),
        remedy="install libegl1 and libgl1-mesa-dri, or libosmesa6",
    )


class Camera:
    """Square pictures of a model from its camera ``front``, or from above where it has none.

    Without shadows: they would take most of the time.
    """

    def __init__(self, model: Any, size: int) -> None:
        self.model, self._rectangle = model, mujoco.MjrRect(0, 0, size, size)
        quality, buffer = model.vis.quality, model.vis.global_
        quality.shadowsize, quality.offsamples = 0, 4
        buffer.offwidth, buffer.offheight = size, size
        self._window = import_module(f"mujoco.{backend()}").GLContext(size, size)
        self._window.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene, self._options = mujoco.MjvScene(model, maxgeom=10_000), mujoco.MjvOption()
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        self._view = mujoco.MjvCamera()
        front = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "front")
        if front >= 0:
            self._view.type, self._view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, front
        else:
            mujoco.mjv_defaultFreeCamera(model, self._view)
            self._view.elevation = -90.0

    def shot(self, data: Any) -> np.ndarray:
        """The present state: (size, size, 3) uint8, top row first."""
        self._window.make_current()
        mujoco.mjv_updateScene(
            self.model,
            data,
            self._options,
            None,
            self._view,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        size = self._rectangle.width
        picture = np.empty((size, size, 3), np.uint8)
        mujoco.mjr_render(self._rectangle, self._scene, self._context)
        mujoco.mjr_readPixels(picture, None, self._rectangle, self._context)
        return picture[::-1]

    def close(self) -> None:
        """Free what it draws with."""
        self._context.free()
        self._window.free()
