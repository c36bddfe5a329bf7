from pathlib import Path

import pytest

from mac.errors import ConfigError
from mac.io import write_yaml
from mac.report.claims import load

PAPER = Path(__file__).parents[3] / "configs" / "paper"

GOOD = {
    "source": "a paper",
    "statistic": "mean",
    "tasks": 5,
    "columns": {"mac": {"name": "MAC", "labels": ["mac"], "spread": "seeds"}},
    "values": {"scene": {"mac": [97, 4]}},
}


@pytest.mark.parametrize("name", ["reward_1m", "goal_100m", "ablations"])
def test_the_shipped_files_are_read_and_say_where_they_are_from(name):
    claims = load(PAPER / f"{name}.yaml")
    assert "2512.08108" in claims.source
    assert claims.values and claims.tasks == 5


@pytest.mark.parametrize(
    ("name", "environment", "label", "text"),
    [  # spot checks against the protocol's tables
        ("reward_1m", "cube-double", "mac", "53 ± 4 (seeds?)"),
        ("reward_1m", "scene", "fql", "56 ± 45 (tasks?)"),
        ("reward_1m", "puzzle-3x3", "mopo", "20 ± 0 (?)"),
        ("reward_1m", "puzzle-4x4", "mac", "78 ± 13 (seeds?)"),
        ("goal_100m", "humanoidmaze-medium", "ngcsac_bc", "98 ± 2 (?)"),
        ("goal_100m", "cube-octuple", "mac", "30 ± 6 (?)"),
        ("goal_100m", "puzzle-4x5", "leq", "1 ± 3 (?)"),
        ("ablations", "puzzle-4x4", "mac_h10", "85†"),
        ("ablations", "scene", "mac_fql", "40†"),
        ("ablations", "cube-octuple", "mac_n1", "0†"),
    ],
)
def test_numbers_carry_the_meaning_of_their_spread(name, environment, label, text):
    assert load(PAPER / f"{name}.yaml").of(environment, label, tasks=5).text == text


def test_all_columns_of_a_table_are_there():
    reward, goal = load(PAPER / "reward_1m.yaml"), load(PAPER / "goal_100m.yaml")
    assert {len(values) for values in reward.values.values()} == {9} and len(reward.values) == 5
    assert {len(values) for values in goal.values.values()} == {10} and len(goal.values) == 6


def test_second_hand_numbers_are_marked():
    assert load(PAPER / "ablations.yaml").second_hand
    assert not load(PAPER / "reward_1m.yaml").second_hand


def test_a_mean_over_other_tasks_is_marked(tmp_path):
    write_yaml(tmp_path / "x.yaml", GOOD)
    claims = load(tmp_path / "x.yaml")
    assert claims.of("scene", "mac", tasks=5).text == "97 ± 4 (seeds)"
    assert claims.of("scene", "mac", tasks=2).text == "97 ± 4 (seeds)‡"


def test_what_the_paper_does_not_have_is_none(tmp_path):
    write_yaml(tmp_path / "x.yaml", GOOD)
    claims = load(tmp_path / "x.yaml")
    assert claims.of("scene", "flow_bc", tasks=5) is None
    assert claims.of("cube-single", "mac", tasks=5) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": {"scene": {"iql": [1, 2]}}}, "no such column: iql"),
        ({"values": {"scene": {"mac": [101, 2]}}}, "values.scene.mac.0"),
        ({"values": {"scene": {"mac": []}}}, "values.scene.mac"),
        ({"tasks": 0}, "tasks"),
        ({"souce": "x"}, "souce"),
        ({"columns": {"mac": {"name": "M", "labels": [], "spread": "runs"}}}, "columns.mac.spread"),
        ({"notes": [{"text": "x", "columns": ["iql"]}]}, "notes: no such column: iql"),
        (
            {
                "columns": {
                    "mac": {"name": "MAC", "labels": ["mac"], "spread": "seeds"},
                    "other": {"name": "O", "labels": ["mac"], "spread": "seeds"},
                }
            },
            "labels of two columns: mac",
        ),
    ],
)
def test_mistakes_are_named(tmp_path, change, message):
    write_yaml(tmp_path / "x.yaml", {**GOOD, **change})
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path / "x.yaml")
    assert "x.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.yaml: no such file"):
        load(tmp_path / "nothing.yaml")
