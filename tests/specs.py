"""Environments that tests use, written out so that they do not depend on shipped suites."""

from mac.envs.registry import EnvSpec


def manipulation(name: str, observation_dim: int, goal_dim: int, steps: int) -> EnvSpec:
    return EnvSpec(
        name=name,
        dataset=f"{name}-play",
        env_id=f"{name}-v0",
        tasks=5,
        observation_dim=observation_dim,
        action_dim=5,
        goal_dim=goal_dim,
        max_episode_steps=steps,
    )


ROBOTS = {
    spec.name: spec
    for spec in (
        manipulation("cube-single", 28, 3, 200),
        manipulation("cube-double", 37, 6, 500),
        manipulation("scene", 40, 7, 750),
        manipulation("puzzle-3x3", 55, 9, 500),
        manipulation("puzzle-4x4", 83, 16, 500),
    )
}
POINTMASS = EnvSpec(
    name="pointmass",
    dataset="pointmass-play",
    env_id="pointmass",
    tasks=5,
    observation_dim=4,
    action_dim=2,
    goal_dim=2,
    max_episode_steps=60,
    simulator="toy",
)
