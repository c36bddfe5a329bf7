from dataclasses import replace

import numpy as np
import pytest

from mac import rng
from mac.envs import collectors, ogbench
from mac.envs.registry import EnvSpec
from mac.errors import ConfigError
from mac.planning.datasets import known
from tests.specs import ROBOTS, manipulation

pytestmark = pytest.mark.filterwarnings("ignore:.*precision lowered by casting")
NOISY = {
    spec.name: replace(spec, dataset=f"{spec.name}-noisy")
    for spec in (
        *ROBOTS.values(),
        manipulation("cube-triple", 46, 9, 1000),
        manipulation("cube-quadruple", 55, 12, 1000),
        manipulation("cube-octuple", 91, 24, 1500),
        manipulation("puzzle-4x5", 99, 20, 1000),
        manipulation("puzzle-4x6", 115, 24, 1000),
    )
}


def maze(size, kind):
    name = f"pointmaze-{size}"
    return EnvSpec(name, f"{name}-{kind}", f"{name}-v0", 5, 2, 2, 2, 1000)


def stream(counter=0):
    return rng.stream(0, "test", counter=counter)


@pytest.mark.parametrize("name", sorted(NOISY))
def test_the_markov_oracle_moves_what_it_is_to_move(name):
    spec = NOISY[name]
    rows = ogbench.collector(spec).episode(stream(), 120)
    assert rows["observations"].shape == (121, spec.observation_dim)
    goals = ogbench.oracle_goals(spec, rows["qpos"], rows.get("button_states"))
    assert goals.shape == (121, spec.goal_dim)
    # A button changes, or something has moved by more than 3 cm (10 units are a metre).
    assert np.abs(goals - goals[0]).max() > 0.3
    if name.startswith("puzzle"):
        assert np.diff(rows["button_states"], axis=0).any(axis=1).sum() >= 3


def test_the_suite_says_the_same_of_them():
    facts = ("env_id", "observation_dim", "action_dim", "goal_dim", "max_episode_steps")
    lines = [spec for _, spec, _ in known() if spec.file.endswith("ogbench_other.yaml")]
    assert len({spec.dataset for spec in lines}) > 20
    for spec in lines:
        robot, kind = spec.dataset.rsplit("-", 1)
        same = NOISY.get(robot) or maze(robot.removeprefix("pointmaze-"), kind)
        for key in facts:
            assert getattr(spec, key) == getattr(same, key), (spec.name, key)


class Still:
    """An oracle that does nothing, and counts how often it is asked."""

    asked = 0

    def select_action(self, observation, info):
        self.asked += 1
        return np.zeros(5)


@pytest.mark.parametrize(("family", "chance"), [("cube", 0.1), ("scene", 0.1), ("puzzle", 0.2)])
def test_noise_of_a_noisy_episode(family, chance):
    draws, hand, levels, steps = stream(), collectors._Markov(chance), [], 4000
    assert collectors.RANDOM_ACTIONS[family] == chance
    for _ in range(20):
        act, oracle = hand.begin(draws), Still()
        actions = np.array([act(oracle, None, {}) for _ in range(steps)])
        # Four standard deviations of a share of so many steps.
        assert abs(1 - oracle.asked / steps - chance) < 4 * np.sqrt(chance * (1 - chance) / steps)
        spread = np.percentile(np.abs(actions), 50, axis=0)  # random actions are the tail
        ratios = spread / spread[:3].mean()
        assert np.allclose(ratios[:3], 1, atol=0.1) and 2.6 < ratios[3] < 3.4
        levels.append(spread[0])
    assert max(levels) < 0.1 and min(levels) < 0.02  # a level of its own each, up to 0.1


def test_play_and_noisy_differ_by_the_name_alone(tmp_path):
    play, noisy = ROBOTS["cube-single"], NOISY["cube-single"]
    other = replace(play, dataset="mine")
    first = {
        spec.dataset: ogbench.collector(spec).episode(stream(), 20)["actions"]
        for spec in (play, noisy, other)
    }
    assert np.array_equal(first["mine"], first["cube-single-play"])
    assert not np.array_equal(first["mine"], first["cube-single-noisy"])


def test_a_noisy_episode_does_not_depend_on_what_ran_before():
    fresh, used = (ogbench.collector(NOISY["scene"]) for _ in range(2))
    used.episode(stream(1), 15)
    first, again = (one.episode(stream(2), 15) for one in (fresh, used))
    for key, values in first.items():
        assert np.array_equal(values, again[key]), key


@pytest.mark.parametrize("size", ["medium", "large", "giant", "teleport"])
def test_a_mass_navigates_its_maze(size):
    spec = maze(size, "navigate")
    collector = ogbench.collector(spec)
    rows = collector.episode(stream(), 1000)
    assert {key: values.shape for key, values in rows.items()} == {
        **{key: (1001, 2) for key in ("observations", "actions", "qpos", "qvel")},
        "terminals": (1001,),
    }
    env = collector._env
    cells = [env.xy_to_ij(place) for place in rows["qpos"]]
    assert {env.maze_map[cell] for cell in cells} == {0}
    if size != "teleport":  # where a jump may end in a cell without a way out
        assert len(set(cells)) > 12  # several goals, not one
    jumps = np.flatnonzero(np.linalg.norm(np.diff(rows["qpos"], axis=0), axis=1) > 1)
    apart = np.flatnonzero(np.abs(rows["qpos"] - rows["observations"]).max(axis=1) > 1e-3)
    assert apart.tolist() == (jumps + 1).tolist()  # the jump shows a row later in observations
    assert size == "teleport" or len(jumps) == 0


def test_teleports_are_taken():
    collector = ogbench.collector(maze("teleport", "navigate"))
    rows = [collector.episode(stream(counter), 1000) for counter in range(3)]
    assert sum((np.abs(r["qpos"] - r["observations"]) > 1).any() for r in rows) >= 2


def test_a_stitch_ends_four_cells_from_where_it_began():
    collector = ogbench.collector(maze("large", "stitch"))
    env = collector._env
    lengths = set()
    for counter in range(10):
        rows = collector.episode(stream(counter), 200)
        start, end = (env.xy_to_ij(rows["qpos"][row]) for row in (0, -1))
        _, distances = env.get_oracle_subgoal(env.ij_to_xy(start), env.ij_to_xy(start))
        lengths.add(int(distances[end]))
    assert lengths == {4}


def test_the_shortest_way_is_followed_with_white_noise():
    collector = ogbench.collector(maze("giant", "navigate"))
    rows = collector.episode(stream(), 2000)
    # Of a unit vector along an axis, noise 0.5 and a cut at 1: half of the big parts are cut.
    size = np.abs(rows["actions"])
    assert 0.35 < (size.max(axis=1) == 1).mean() < 0.65
    assert size.min(axis=1).mean() < 0.45


def test_goals_of_navigation_are_no_corridors():
    walls = np.array([[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 1, 1, 0, 1], [1, 1, 1, 1, 1]])
    cells = [(1, 1), (1, 2), (1, 3), (2, 3)]
    assert [collectors._corridor(walls, cell) for cell in cells] == [False, True, False, False]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("antmaze-medium", "navigate"), ("humanoidmaze-large", "stitch"), ("pointmaze-large", "x")],
)
def test_what_has_no_oracle_is_said(name, kind):
    spec = EnvSpec(name, f"{name}-{kind}", f"{name}-v0", 5, 29, 8, 2, 1000)
    with pytest.raises(ConfigError, match=rf"no scripted oracle for '{name}-{kind}'; expected"):
        ogbench.collector(spec)
