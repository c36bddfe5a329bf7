import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from mac.envs import toy
from mac.envs.registry import EnvSpec, adapter
from mac.errors import ConfigError
from tests.specs import POINTMASS, ROBOTS

LINE = {key: value for key, value in asdict(ROBOTS["cube-single"]).items() if key != "name"}


def test_one_line_makes_a_spec():
    assert EnvSpec.from_line("cube-single", LINE) == ROBOTS["cube-single"]
    plain = {key: LINE[key] for key in LINE if key not in ("simulator", "success_timing")}
    assert EnvSpec.from_line("cube-single", plain) == ROBOTS["cube-single"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"taks": 5}, r"suite.yaml: environments.cube-single.taks: unknown key; expected dataset"),
        ({"tasks": None}, r"'cube-single'.*"),
        ({"tasks": 0}, r"tasks: environment 'cube-single'; found 0; expected >= 1"),
        ({"tasks": True}, r"tasks: environment 'cube-single'; found True; expected int"),
        ({"goal_dim": "3"}, r"goal_dim: environment 'cube-single'; found '3'; expected int"),
        ({"env_id": 3}, r"env_id: environment 'cube-single'; found 3; expected str"),
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
