from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from ogbench.relabel_utils import add_oracle_reps, relabel_dataset

from mac import rng
from mac.envs import ogbench, relabel, seeded
from mac.errors import ConfigError, DataError
from tests.specs import ROBOTS, manipulation

pytestmark = pytest.mark.filterwarnings("ignore:.*precision lowered by casting")
MAZE = replace(manipulation("humanoidmaze-medium", 69, 2, 2000), action_dim=21)


def plain_environment(env_id, **options):
    with seeded.quiet():
        return gymnasium.make(env_id, disable_env_checker=True, **options)


def made_up_states(env, spec, rows=400):
    """Random raw states of which many meet some or all conditions of the environment's tasks."""
    generator = np.random.default_rng(0)
    inner = env.unwrapped
    qpos = generator.normal(0, 0.2, (rows, inner.model.nq)).astype(np.float32)
    buttons = getattr(inner, "_num_buttons", 0)
    states = generator.integers(0, 2, (rows, buttons)) if buttons else None
    layout = relabel._layout(spec.env_id)
    for row in range(rows):
        target = layout.targets[row % 5]
        for cube in range(layout.cubes):
            start = relabel.OBJECT_START + relabel.CUBE_WIDTH * cube
            qpos[row, start : start + 3] = target["cubes"][cube] + generator.normal(0, 0.02, 3)
        if buttons and row % 3:
            states[row] = target["buttons"]
        if target.get("slides") is not None:
            slides = target["slides"] + generator.normal(0, 0.03, 2)
            qpos[row, layout.drawer : layout.drawer + 2] = slides
        if target.get("xy") is not None:
            qpos[row, :2] = target["xy"] + generator.normal(0, 0.4, 2)
    return qpos, states


@pytest.mark.parametrize("spec", [*ROBOTS.values(), MAZE], ids=lambda spec: spec.name)
def test_relabelling_equals_ogbench(spec):
    env = plain_environment(spec.env_id.replace("-v0", "-singletask-v0"))
    env.reset()
    qpos, states = made_up_states(env, spec)
    dataset = {"qpos": qpos} | ({} if states is None else {"button_states": states})
    seen = set()
    for task in range(1, 6):
        env.unwrapped._reward_task_id = task
        relabel_dataset(spec.env_id, env, dataset)
        rewards, masks = ogbench.task_rewards(spec, task, qpos, states)
        assert rewards.dtype == masks.dtype == np.float32
        assert np.array_equal(rewards, dataset["rewards"])
        assert np.array_equal(masks, dataset["masks"])
        assert 0 < masks.mean() < 1
        seen |= set(rewards.tolist())
    assert len(seen) > 1
    add_oracle_reps(spec.env_id, env, dataset)
    goals = ogbench.oracle_goals(spec, qpos, states)
    assert goals.dtype == np.float32 and goals.shape == (len(qpos), spec.goal_dim)
    assert np.array_equal(goals, dataset["oracle_reps"])


def plain_episode(spec, stream, length):
    """What :class:`ManipulationCollector` does in ``play`` sets, by the unchanged environment."""
    from ogbench.manipspace.oracles.plan.button_plan import ButtonPlanOracle
    from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle
    from ogbench.manipspace.oracles.plan.drawer_plan import DrawerPlanOracle
    from ogbench.manipspace.oracles.plan.window_plan import WindowPlanOracle

    env = plain_environment(
        spec.env_id,
        mode="data_collection",
        terminate_at_goal=False,
        max_episode_steps=length + 1,
    )
    noise = {"noise": 0.1, "noise_smoothing": 0.5}
    closed = spec.name.startswith("puzzle")
    kinds = {
        "cube": lambda: CubePlanOracle(env=env, **noise),
        "button": lambda: ButtonPlanOracle(env=env, gripper_always_closed=closed, **noise),
        "drawer": lambda: DrawerPlanOracle(env=env, **noise),
        "window": lambda: WindowPlanOracle(env=env, **noise),
    }
    seed, _, numpy_seed = (int(x) for x in stream.integers(2**31, size=3))
    low = {"cube-single": 0.0, "cube-double": 0.0}.get(spec.name, 0.5)
    high = {"cube-single": 0.0, "cube-double": 0.25}.get(spec.name, 0.5)
    p_stack = stream.uniform(low, high)
    np.random.seed(numpy_seed)  # noqa: NPY002
    rows, targets = [], 0
    observation, info = env.reset(seed=seed)
    oracle = kinds[info["privileged/target_task"]]()
    oracle.reset(observation, info)
    done = False
    while not done:
        action = np.clip(np.array(oracle.select_action(observation, info)), -1, 1)
        following, _, terminated, done, info = env.step(action)
        assert not terminated
        if oracle.done:
            target_observation, target_info = env.unwrapped.set_new_target(p_stack=p_stack)
            oracle = kinds[target_info["privileged/target_task"]]()
            oracle.reset(target_observation, target_info)
            targets += 1
        rows.append((observation, action, info["prev_qpos"], info["prev_qvel"]))
        if "prev_button_states" in info:
            rows[-1] += (info["prev_button_states"],)
        observation = following
    keys = ("observations", "actions", "qpos", "qvel", "button_states")
    arrays = dict(zip(keys, zip(*rows, strict=True), strict=False))
    return {key: np.array(value, np.float32) for key, value in arrays.items()}, targets


@pytest.mark.parametrize(("name", "length"), [("cube-double", 150), ("scene", 90)])
def test_collected_bytes_equal_the_plain_way(name, length):
    spec = ROBOTS[name]
    counter = 4 if name == "scene" else 0  # an episode with a change of target
    expected, targets = plain_episode(spec, rng.stream(0, "test", counter=counter), length)
    assert targets > 0
    found = ogbench.collector(spec).episode(rng.stream(0, "test", counter=counter), length)
    for key, values in expected.items():
        assert np.array_equal(found[key], values), key
    assert found["terminals"].tolist() == [0] * length + [1]


@pytest.mark.parametrize(("name", "mode"), [("scene", "reward"), ("puzzle-3x3", "goal")])
def test_evaluation_steps_equal_the_plain_way(name, mode, monkeypatch):
    """One look at the state a step gives what three looks give."""

    def play():
        simulation = ogbench.make(ROBOTS[name], mode)
        generator = np.random.default_rng(0)
        simulation.reset(6, 3)
        seen = [np.concatenate(simulation.reset(7, 3))]
        before = simulation._env._prev_ob_info["qpos"]  # what a press of a button is judged by
        assert np.array_equal(before, simulation._env.data.qpos)
        for step in range(40):
            down = [0, 0, -1, 0, 1] if step % 4 else generator.uniform(-1, 1, 5)
            one = simulation.step(np.array(down))
            seen.append(np.append(one.observation, one.reward))
        return np.concatenate(seen)

    quick = play()
    monkeypatch.delattr(seeded.Repeatable, "compute_ob_info")
    assert np.array_equal(quick, play())


@pytest.mark.parametrize("name", ["cube-single", "scene"])
def test_rewards_describe_the_state_before_the_action(name):
    spec = ROBOTS[name]
    simulation = ogbench.make(replace(spec, success_timing="pre"), "reward")
    observation, goal = simulation.reset(0, 2)
    assert observation.shape == (spec.observation_dim,) and goal.shape == (0,)
    generator = np.random.default_rng(0)
    for _ in range(5):
        qpos = simulation._env.data.qpos[None].copy()
        states = getattr(simulation._env, "_cur_button_states", None)
        states = None if states is None else states[None].copy()
        rewards, masks = ogbench.task_rewards(spec, 2, qpos, states)
        one = simulation.step(generator.uniform(-1, 1, 5))
        assert one.reward == rewards[0] and one.success == one.terminated == (masks[0] == 0)


@pytest.mark.parametrize("name", ["cube-double", "puzzle-4x4"])
def test_goals_are_those_of_the_task(name):
    spec = replace(ROBOTS[name], success_timing="post")
    simulation = ogbench.make(spec, "goal")
    target = relabel._layout(spec.env_id).targets[3]
    for seed in range(2):
        _, goal = simulation.reset(seed, 4)
        if name == "puzzle-4x4":
            assert goal.tolist() == target["buttons"].tolist()
        else:  # the two cubes may have changed places
            wanted = (target["cubes"] - relabel.CUBE_CENTRE) * relabel.CUBE_SCALE
            found = goal.reshape(2, 3)
            assert min(np.abs(found - wanted).max(), np.abs(found[::-1] - wanted).max()) < 0.2


@pytest.mark.parametrize("name", sorted(ROBOTS))
def test_reset_seeds_everything_it_draws(name):
    """Also the random steps before a goal is recorded, which stay in the solver's warm start."""
    hidden = []
    for seeds in ((5,), (4, 5), (4,)):
        simulation = ogbench.make(ROBOTS[name], "goal")
        for seed in seeds:
            simulation.reset(seed, 1)
        data = simulation._env.data
        hidden.append(np.concatenate([data.qpos, data.qvel, data.ctrl, data.qacc_warmstart]))
    assert np.array_equal(hidden[0], hidden[1])
    assert not np.array_equal(hidden[0], hidden[2])


def test_slots_do_not_share_a_model():
    """Task 1 of the scene starts with unlocked slides, task 2 with locked ones."""
    unlocked, locked = (ogbench.make(ROBOTS["scene"], "goal") for _ in range(2))
    unlocked.reset(0, 1)
    locked.reset(0, 2)
    damping = [one._env.model.joint("drawer_slide").damping.item() for one in (unlocked, locked)]
    assert damping == [2.0, 1e6]


def test_step_limit():
    simulation = ogbench.make(ROBOTS["cube-single"], "goal")
    simulation.reset(0, 1)
    simulation._steps = 198
    steps = [simulation.step(np.zeros(5)) for _ in range(4)]
    assert [step.truncated for step in steps] == [False, True, True, True]
    # Whoever wants to know what follows may go on: the simulation does not start anew.
    assert np.abs(steps[3].observation - steps[1].observation).max() < 0.05


def test_actions_are_clipped():
    found = []
    for size in (1, 9):
        simulation = ogbench.make(ROBOTS["cube-single"], "goal")
        simulation.reset(0, 1)
        found.append(simulation.step(np.full(5, size)).observation)
    assert np.array_equal(*found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"env_id": "cube-hundred-v0"}, r"env_id: ogbench .* no environment for 'cube-single'"),
        ({"env_id": "atari-v0"}, r"env_id: environment 'cube-single' is of no family"),
        ({"max_episode_steps": 300}, r"max_episode_steps: .* found 300; expected 200"),
        ({"action_dim": 4}, r"action_dim: .* found 4; expected 5"),
        ({"observation_dim": 27}, r"observation_dim: .* found 27; expected 28"),
        ({"success_timing": "pre"}, r"success_timing: .* in goal mode.* found pre; expected post"),
    ],
)
def test_lines_that_ogbench_contradicts_are_named(change, message):
    spec = replace(ROBOTS["cube-single"], **change, file="suites/mine.yaml")
    with pytest.raises(ConfigError, match=message) as caught:
        ogbench.make(spec, "goal").reset(0, 1)
    if "env_id" not in change:
        (key,) = change
        place = (
            f"suites/mine.yaml: environments.cube-single.{key}: ogbench's cube-single-v0 differs"
        )
        assert str(caught.value).startswith(place)


def test_a_wrong_width_is_noticed_before_anything_is_collected():
    spec = replace(ROBOTS["cube-single"], observation_dim=27, file="suites/mine.yaml")
    message = r"suites/mine.yaml: environments.cube-single.observation_dim: .*; expected 28"
    with pytest.raises(ConfigError, match=message):
        ogbench.collector(spec).episode(rng.stream(0, "width"), 5)


def test_button_states_must_be_there():
    with pytest.raises(DataError, match=r"button_states: .*'scene'; found none; expected \(2,\)"):
        ogbench.oracle_goals(ROBOTS["scene"], np.zeros((3, 25)), None)


def test_versions_name_what_decides_an_episode():
    assert set(ogbench.versions()) == {"ogbench", "mujoco", "gymnasium"}
