import numpy as np
import pytest

from mac.errors import DataError, MacError
from mac.io import write_json
from mac.revisions import Folder
from mac.stamps import REVISIONS
from mac.stats.alarms import compared
from mac.stats.committed import experiments, read_all, read_results
from mac.stats.diff import diff as compare
from mac.stats.diff import exit_code
from mac.stats.recorded import recorded
from tests.unit.stats.versions import results, version


def versions(tmp_path, before, after, **both):
    """The comparison of two versions of one table, given what differs."""
    sides = []
    for name, own in (("before", before), ("after", after)):
        version(tmp_path / name, **{"rates": {"mac": 0.5}, "episodes": 20, **both, **own})
        sides.append({"table": results(tmp_path / name)})
    return compare(*sides), sides


def unstamped(root):
    """What remains once somebody deleted the stamp, or with runs missing."""
    for stamp in (root / "results/table/built").iterdir():
        stamp.unlink()


def test_identical_versions_differ_by_exactly_nothing(tmp_path):
    result, _ = versions(tmp_path, {}, {}, rates={"mac": 0.4, "flow_bc": 0.1})
    assert len(result["cells"]) == 4
    for entry in result["cells"]:
        assert entry["difference"] == entry["ci_low"] == entry["ci_high"] == 0
        assert entry["verdict"] == "identical" and entry["test"] is None
        assert entry["probability_of_improvement"] == 0.5
    assert result["tested"] == 0 and result["pooled"] == []
    assert exit_code(result, "any") == 0


def test_a_large_drop_is_worse_and_the_rest_stays_identical(tmp_path):
    result, sides = versions(
        tmp_path, {"rates": {"mac": 0.9, "flow_bc": 0.2}}, {"rates": {"mac": 0.1, "flow_bc": 0.2}}
    )
    verdicts = {(e["agent"], e["task"][-8:-3]): e["verdict"] for e in result["cells"]}
    assert verdicts == {
        ("mac", "task1"): "worse",
        ("mac", "task2"): "worse",
        ("flow_bc", "task1"): "identical",
        ("flow_bc", "task2"): "identical",
    }
    assert result["tested"] == 2
    (pooled,) = result["pooled"]
    assert pooled["verdict"] == "worse" and pooled["cells"] == 2
    entry = result["cells"][0]
    assert entry["before"] == pytest.approx(sides[0]["table"].cells.loc["mac"]["score"][:4].mean())
    assert entry["difference"] == pytest.approx(entry["after"] - entry["before"])
    assert exit_code(result) == 0
    assert exit_code(result, "worse") == exit_code(result, "any") == 1


def test_a_gain_fails_only_on_any(tmp_path):
    result, _ = versions(tmp_path, {"rates": {"mac": 0.1}}, {"rates": {"mac": 0.9}, "mark": "b"})
    assert {entry["verdict"] for entry in result["cells"]} == {"better"}
    assert exit_code(result, "worse") == 0 and exit_code(result, "any") == 1


def test_noise_is_noise(tmp_path):
    result, _ = versions(tmp_path, {"mark": "a"}, {"mark": "b"})
    assert {entry["verdict"] for entry in result["cells"]} == {"noise"}
    assert all(e["ci_low"] < 0 < e["ci_high"] and e["difference"] for e in result["cells"])
    assert exit_code(result, "any") == 0


def test_numbers_are_those_whose_error_rates_are_simulated(tmp_path):
    result, sides = versions(tmp_path, {"mark": "a"}, {"mark": "b"}, episodes=50, tasks=3)
    before, after = (
        side["table"].cells["score"].unstack("seed").to_numpy()[None, None] for side in sides
    )
    pooled, cells, by_pool, by_cell = compared(before, after)
    entries = result["cells"]
    np.testing.assert_allclose([e["p_value"] for e in entries], cells.p_value[0])
    np.testing.assert_allclose([e["ci_low"] for e in entries], cells.interval[0][0])
    np.testing.assert_allclose([e["adjusted_p_value"] for e in entries], by_cell[0])
    np.testing.assert_allclose(result["pooled"][0]["p_value"], pooled.p_value[0, 0])
    np.testing.assert_allclose(result["pooled"][0]["adjusted_p_value"], by_pool[0, 0])


@pytest.mark.parametrize(
    ("stages", "seeds", "test"),
    [
        (("m1", "m1"), (4, 4), "paired"),
        (("m1", "m2"), (4, 4), "Welch"),
        ((None, None), (4, 4), "Welch"),
        (("m1", "m1"), (4, 5), "Welch"),
    ],
)
def test_seeds_are_paired_only_where_each_shares_an_artefact(tmp_path, stages, seeds, test):
    result, _ = versions(
        tmp_path,
        {"mark": "a", "stage": stages[0], "seeds": seeds[0]},
        {"mark": "b", "stage": stages[1], "seeds": seeds[1]},
    )
    assert {entry["test"] for entry in result["cells"]} == {test}


def test_the_same_store_is_no_shared_artefact(tmp_path):
    result, sides = versions(tmp_path, {"mark": "a"}, {"mark": "b"})
    assert sides[0]["table"].data("mac-a-1", 0)["store"] == "s1"
    assert {entry["test"] for entry in result["cells"]} == {"Welch"}


def test_a_rerun_under_the_same_fingerprint_is_paired_by_seed_and_episode(tmp_path):
    result, _ = versions(tmp_path, {}, {"rates": {"mac": 0.52}}, episodes=50)
    assert all(entry["same_fingerprints"] for entry in result["cells"])
    assert {entry["test"] for entry in result["cells"]} == {"paired"}
    assert {entry["verdict"] for entry in result["cells"]} == {"noise"}


@pytest.mark.parametrize("rate", [0, 1])
def test_rows_at_the_ends_have_an_interval(tmp_path, rate):
    result, _ = versions(tmp_path, {"mark": "a"}, {"mark": "b"}, rates={"mac": rate})
    for entry in result["cells"]:
        assert entry["difference"] == 0 and entry["verdict"] == "noise"
        assert entry["ci_low"] < 0 < entry["ci_high"]


def test_one_seed_is_too_few(tmp_path):
    result, _ = versions(tmp_path, {"mark": "a", "seeds": 1}, {"mark": "b"})
    for entry in result["cells"]:
        assert entry["verdict"] == "too few seeds" and entry["ci_low"] is None
    assert exit_code(result, "any") == 0


@pytest.mark.parametrize(
    ("after", "what", "found"),
    [
        ({"columns": {"ogbench": "1.1.3"}}, "ogbench", ("1.2.2", "1.1.3")),
        ({"columns": {"mujoco": "3.2.0"}}, "mujoco", ("4.0.0", "3.2.0")),
        ({"columns": {"gymnasium": "0.29"}}, "gymnasium", ("1.4.0", "0.29")),
        ({"columns": {"success_timing": "post"}}, "success timing", ("pre", "post")),
        ({"episodes": 15}, "episodes of a checkpoint", ("20", "15")),
        ({"checkpoint": "mean_last_3"}, "checkpoint rule", ("last", "mean_last_3")),
        ({"algorithm": "other"}, "algorithm", ("mac", "other")),
        ({"data": "other"}, "data set", None),
        ({"store": "s2", "data": "other"}, "data set", None),
    ],
)
def test_unlike_rows_are_refused_by_name(tmp_path, after, what, found):
    result, _ = versions(tmp_path, {"mark": "a"}, {"mark": "b", **after})
    assert result["cells"] == [] and result["pooled"] == []
    assert [entry["task"][-8:-3] for entry in result["not_comparable"]] == ["task1", "task2"]
    for entry in result["not_comparable"]:
        (reason,) = entry["reasons"]
        assert reason["what"] == what
        assert found in (None, (reason["before"], reason["after"]))
    assert exit_code(result) == exit_code(result, "worse") == 2


def test_other_modes_are_other_rows(tmp_path):
    result, _ = versions(tmp_path, {"mark": "a"}, {"mark": "b", "mode": "goal"})
    assert len(result["only_before"]) == len(result["only_after"]) == 2
    assert exit_code(result) == 2


def test_averages_of_fewer_checkpoints_are_refused(tmp_path):
    result, _ = versions(
        tmp_path, {"steps": (1, 2, 3)}, {"steps": (3,), "mark": "b"}, checkpoint="mean_last_3"
    )
    (reason,) = result["not_comparable"][0]["reasons"]
    assert reason == {"what": "checkpoints averaged", "before": "3", "after": "1"}


def test_one_refused_row_does_not_hide_a_worse_one(tmp_path):
    for name, mac, mark in (("before", 0.9, "a"), ("after", 0.1, "b")):
        version(tmp_path / name, {"mac": mac}, mark=mark, episodes=20)
        columns = None if mark == "a" else {"ogbench": "1.1.3"}
        other = {"name": "other", "mark": mark, "columns": columns, "episodes": 20}
        version(tmp_path / name, {"flow_bc": 0.5}, environment="cube-single", **other)
    result = compare(*(read_all(Folder(tmp_path / name), ()) for name in ("before", "after")))
    assert len(result["cells"]) == len(result["not_comparable"]) == 2
    assert exit_code(result) == exit_code(result, None) == 2
    assert exit_code(result, "worse") == 1


def test_a_rebuilt_store_of_the_same_data_is_comparable(tmp_path):
    result, _ = versions(tmp_path, {"mark": "a"}, {"mark": "b", "store": "s2"})
    assert len(result["cells"]) == 2 and result["data_not_recorded"] == 0


def test_unrecorded_data_are_counted(tmp_path):
    result, sides = versions(tmp_path, {"mark": "a", "records": False}, {"mark": "b"})
    assert len(result["cells"]) == 2 and result["data_not_recorded"] == 2
    assert recorded(sides[0].values())["time"] == {}


def test_rows_of_one_side_only_are_listed(tmp_path):
    both = {"mac": 0.5}
    result, _ = versions(tmp_path, {"rates": both}, {"rates": {**both, "flow_bc": 0.2}})
    assert result["only_before"] == []
    assert {entry["agent"] for entry in result["only_after"]} == {"flow_bc"}
    assert exit_code(result, "any") == 0


def test_modes_are_pooled_apart(tmp_path):
    for name, mark in (("before", "a"), ("after", "b")):
        for mode in ("reward", "goal"):
            version(tmp_path / name, {"mac": 0.5}, name=mode, mode=mode, mark=mark, episodes=20)
    result = compare(*(read_all(Folder(tmp_path / name), ()) for name in ("before", "after")))
    assert [(e["mode"], e["cells"]) for e in result["pooled"]] == [("goal", 2), ("reward", 2)]
    for entry in result["pooled"]:
        own = [e["difference"] for e in result["cells"] if e["experiment"] == entry["mode"]]
        assert entry["difference"] == pytest.approx(np.mean(own))
    assert result["tested"] == 4


def test_what_was_recorded_is_summed_once(tmp_path):
    _, sides = versions(tmp_path, {"mark": "a"}, {"mark": "b"})
    one, other = (recorded(side.values()) for side in sides)
    current = str(REVISIONS["aggregate"])
    assert one["commits"] == ["a" * 10] and other["commits"] == ["b" * 10 + "+"]
    assert one["revisions"] == {"aggregate": [current], "evaluate": ["1"]}
    assert other["revisions"]["evaluate"] == ["2"]
    assert one["packages"] == {"torch": ["2.13.0"]} and other["packages"] == {"torch": ["2.14.0"]}
    hours = {"jobs": 8, "wall_hours": 2.0, "cpu_hours": 4.0}
    assert one["time"] == {"evaluate": {**hours, "gpu_hours": 2.0}}
    assert other["time"] == {"evaluate": {**hours, "gpu_hours": 0.0}}
    assert one["data"].keys() == {"scene-play"}
    assert recorded([*sides[0].values()] * 2) == one


def test_parts_trained_together_have_their_own_revisions(tmp_path):
    version(tmp_path, {"mac": 0.5}, episodes=5)
    unstamped(tmp_path)
    path = tmp_path / "results/table/runs.json"
    joint = {"rule": "train_agent", "fingerprint": "j", "revision": {"model": 1, "value": 3}}
    write_json(path, {"joint": joint})
    revisions = recorded([results(tmp_path)])["revisions"]
    assert revisions["train_agent value"] == ["3"] and revisions["train_agent model"] == ["1"]


@pytest.mark.parametrize("name", ["episodes.parquet", "summary.json", "runs.json"])
def test_results_must_be_what_their_stamp_vouches_for(tmp_path, name):
    version(tmp_path, {"mac": 0.5}, episodes=5)
    assert experiments(Folder(tmp_path)) == ["table"]
    path = tmp_path / "results/table" / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(DataError, match=f"{name}: file differs from its stamp"):
        read_results(Folder(tmp_path), "table")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("summary.json", "{}", "not a summary"),
        ("summary.json", "{", "not valid JSON"),
        ("episodes.parquet", "PAR", "not a readable parquet file"),
        ("episodes.parquet", None, "no such file"),
        ("runs.json", "[", "not valid JSON"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    version(tmp_path, {"mac": 0.5}, episodes=5)
    unstamped(tmp_path)
    path = tmp_path / "results/table" / name
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(DataError, match=f"{name}: {message}"):
        read_results(Folder(tmp_path), "table")


def test_experiments_that_are_not_there_are_refused(tmp_path):
    version(tmp_path, {"mac": 0.5}, episodes=5)
    assert list(read_all(Folder(tmp_path), ())) == ["table"]
    with pytest.raises(MacError, match="no results of quick; expected table"):
        read_all(Folder(tmp_path), ("quick",))
    with pytest.raises(MacError, match="no results; expected results/EXPERIMENT"):
        read_all(Folder(tmp_path / "results"), ())
