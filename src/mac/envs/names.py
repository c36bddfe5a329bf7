"""What the numbers of an observation and of a goal are, in words (ogbench 1.2.2).

Units stand in parentheses: dm about the table's centre, m, rad, and factors (x120) of raw numbers.
"""

from __future__ import annotations

AXES = ("x", "y", "z")
ARM = (
    *(f"arm joint {joint} angle (rad)" for joint in range(6)),
    *(f"arm joint {joint} speed (rad/s)" for joint in range(6)),
    *(f"effector {axis} (dm)" for axis in AXES),
    "effector yaw cosine",
    "effector yaw sine",
    "gripper opening (x3)",
    "gripper contact",
)
SLIDES = (
    "drawer position (x18)",
    "drawer speed",
    "window position (x15)",
    "window speed",
)
POINT = ("x (m)", "y (m)")
ANT = (
    *(f"torso {axis} (m)" for axis in AXES),
    *(f"torso quaternion {part}" for part in "wxyz"),
    *(f"joint {joint} angle (rad)" for joint in range(8)),
    *(f"torso {axis} speed" for axis in AXES),
    *(f"torso turn about {axis}" for axis in AXES),
    *(f"joint {joint} speed (rad/s)" for joint in range(8)),
)
HUMANOID = (
    "torso x (m)",
    "torso y (m)",
    *(f"joint {joint} angle (rad)" for joint in range(21)),
    "head height (m)",
    *(
        f"{side} {limb} {axis} (m, from the torso)"
        for side, limb in (("left", "hand"), ("left", "foot"), ("right", "hand"), ("right", "foot"))
        for axis in AXES
    ),
    *(f"torso upright {axis}" for axis in AXES),
    *(f"centre of mass {axis} speed" for axis in AXES),
    *(f"root {axis} speed" for axis in AXES),
    *(f"root turn about {axis}" for axis in AXES),
    *(f"joint {joint} speed (rad/s)" for joint in range(21)),
)
BODIES = {"pointmaze": POINT, "antmaze": ANT, "humanoidmaze": HUMANOID}


def arm_observation(cubes: int, buttons: int, slides: bool) -> list[str]:
    """Names of a manipulation environment's observation."""
    names = list(ARM)
    for cube in range(cubes):
        names += [f"cube {cube} {axis} (dm)" for axis in AXES]
        names += [f"cube {cube} quaternion {part}" for part in "wxyz"]
        names += [f"cube {cube} yaw cosine", f"cube {cube} yaw sine"]
    for button in range(buttons):
        names += [f"button {button} is {state}" for state in (0, 1)]
        names += [f"button {button} position (x120)", f"button {button} speed"]
    return [*names, *(SLIDES if slides else ())]


def arm_goal(cubes: int, buttons: int, slides: bool) -> list[str]:
    """Names of a manipulation environment's oracle goal."""
    names = [f"cube {cube} {axis} (dm)" for cube in range(cubes) for axis in AXES]
    names += [f"button {button}" for button in range(buttons)]
    return [*names, *(SLIDES[::2] if slides else ())]


def body_observation(env_id: str, width: int) -> list[str]:
    """Names of what moves through a maze, or numbers where it is of no known kind."""
    known = BODIES.get(env_id.partition("-")[0], ())
    return list(known) if len(known) == width else [f"number {index}" for index in range(width)]
