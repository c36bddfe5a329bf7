import subprocess
import sys
from dataclasses import replace

import pytest

from mac.envs import toy
from mac.envs.registry import EnvSpec, adapter
from mac.errors import ConfigError
from tests.specs import POINTMASS, ROBOTS

LINE = {key: value for key, value in ROBOTS["cube-single"].facts().items() if key != "name"}


def test_one_line_makes_a_spec():
    assert EnvSpec.from_line("cube-single", LINE) == ROBOTS["cube-single"]
    plain = {key: LINE[key] for key in LINE if key not in ("simulator", "success_timing")}
    assert EnvSpec.from_line("cube-single", plain) == ROBOTS["cube-single"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"taks": 5}, r"suite.yaml: environments.cube-single.taks: unknown key; expected dataset"),
        ({"tasks": None}, r"suite.yaml: environments.cube-single.tasks: wrong type; found None"),
        ({"tasks": 0}, r"suite.yaml: environments.cube-single.tasks: .* found 0; expected >= 1"),
        ({"tasks": True}, r"cube-single.tasks: wrong type; found True; expected int"),
        ({"goal_dim": "3"}, r"cube-single.goal_dim: wrong type; found '3'; expected int"),
        ({"env_id": 3}, r"cube-single.env_id: wrong type; found 3; expected str"),
        ({"simulator": "atari"}, r"simulator: .* found atari; expected ogbench or toy"),
        ({"success_timing": "late"}, r"success_timing: .* found late; expected pre, post or n/a"),
    ],
)
def test_wrong_lines_are_named(change, message):
    with pytest.raises(ConfigError, match=message):
        EnvSpec.from_line("cube-single", {**LINE, **change}, file="suite.yaml")


def test_missing_key_is_named():
    line = {key: value for key, value in LINE.items() if key != "action_dim"}
    with pytest.raises(ConfigError, match=r"suite.yaml: environments.x.action_dim: missing key"):
        EnvSpec.from_line("x", line, file="suite.yaml")


def test_the_file_of_a_line_is_no_fact_of_the_environment():
    one, other = (EnvSpec.from_line("cube-single", LINE, file=f) for f in ("a.yaml", "b.yaml"))
    assert one == other and one.facts() == other.facts() and "file" not in one.data_facts()


def test_tasks_are_numbered_from_one():
    POINTMASS.check_task(1)
    POINTMASS.check_task(5)
    for task in (0, 6):
        with pytest.raises(ConfigError, match=rf"task: .* found {task}; expected 1 to 5"):
            POINTMASS.check_task(task)


def test_adapter_by_name():
    assert adapter(POINTMASS) is toy
    assert adapter(replace(POINTMASS, name="other")) is toy


def test_specs_are_made_without_importing_a_simulator():
    code = (
        "import sys\n"
        "from tests.specs import POINTMASS, ROBOTS\n"
        "import mac.envs.vector, mac.data.collect, mac.data.fetch, mac.data.build, mac.data.views\n"
        "mac.envs.registry.adapter(POINTMASS)\n"
        "heavy = {'ogbench', 'mujoco', 'gymnasium', 'torch', 'requests', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
