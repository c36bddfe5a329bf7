import numpy as np
import pytest

from mac.errors import DataError
from mac.revisions import Folder
from mac.rng import stream
from mac.stats.change import ALPHA, Change, adjust, paired, unpaired
from mac.stats.committed import read_all
from mac.stats.diff import diff, exit_code
from mac.stats.sides import ROUNDING, PredictionError
from tests.unit.stats.versions import error_version, results, version

LABELS = {"n5": (5, 1e-4), "n10": (10, 1e-4)}


def versions(tmp_path, before, after, **both):
    """The comparison of two versions of an experiment of prediction errors."""
    for name, own in (("before", before), ("after", after)):
        error_version(tmp_path / name, **{"scales": LABELS, **both, **own})
    return diff(*(read_all(Folder(tmp_path / name), ()) for name in ("before", "after")))


def test_equal_errors_are_identical_at_every_horizon(tmp_path):
    result = versions(tmp_path, {}, {})
    assert [(e["agent"], e["horizon"]) for e in result["cells"]] == [
        (label, horizon) for label in LABELS for horizon in (50, 100, 150)
    ]
    for entry in result["cells"]:
        assert entry["measure"] == "prediction error" and entry["verdict"] == "identical"
        assert entry["difference"] == entry["ci_low"] == entry["ci_high"] == 0
        assert entry["probability_of_improvement"] == 0.5
    assert result["tested"] == 0 and exit_code(result, "any") == 0


def test_more_error_is_worse_and_less_is_better(tmp_path):
    scales = {"n5": (5, 1e-3), "n10": (10, 1e-5)}
    result = versions(tmp_path, {}, {"scales": scales, "mark": "b"})
    verdicts = {(e["agent"], e["verdict"]) for e in result["cells"]}
    assert verdicts == {("n5", "worse"), ("n10", "better")}
    for entry in result["cells"]:
        assert entry["probability_of_improvement"] == (entry["agent"] == "n10")
        assert entry["difference"] == pytest.approx(entry["after"] / entry["before"] - 1)
        assert entry["ci_low"] < entry["difference"] < entry["ci_high"]
    assert exit_code(result, "worse") == 1


def test_numbers_are_those_of_the_seeds_logarithms(tmp_path):
    result = versions(tmp_path, {}, {"mark": "b"})
    sides = [results(tmp_path / name, "errors").rows for name in ("before", "after")]
    changes = []
    for entry in result["cells"]:
        at = [
            rows[(rows["agent"] == entry["agent"]) & (rows["horizon"] == entry["horizon"])]
            for rows in sides
        ]
        logs = [np.log(rows.sort_values("seed")["mse"].to_numpy()) for rows in at]
        change = unpaired(*logs, np.asarray(0.0), np.asarray(0.0))
        assert entry["p_value"] == pytest.approx(float(change.p_value))
        assert entry["ci_low"] == pytest.approx(np.expm1(change.interval[0]))
        assert entry["before"] == pytest.approx(np.exp(logs[0].mean()))
        assert entry["test"] == "Welch" and entry["verdict"] == "noise"
        changes.append(change)
    assert result["pooled"][0]["measure"] == "prediction error"
    expected = np.mean([change.difference for change in changes])
    assert result["pooled"][0]["difference"] == pytest.approx(np.expm1(expected))


def test_seeds_that_share_a_model_are_paired(tmp_path):
    result = versions(tmp_path, {"stage": "m"}, {"mark": "b", "stage": "m"})
    assert {entry["test"] for entry in result["cells"]} == {"paired"}


def test_rates_and_errors_share_one_family_and_no_mean(tmp_path):
    for name, mark in (("before", "a"), ("after", "b")):
        error_version(tmp_path / name, LABELS, mark=mark)
        version(tmp_path / name, {"mac": 0.5}, mark=mark, episodes=20)
    result = diff(*(read_all(Folder(tmp_path / name), ()) for name in ("before", "after")))
    assert [(e["measure"], e["cells"]) for e in result["pooled"]] == [
        ("prediction error", 6),
        ("success rate", 2),
    ]
    p_values = np.array([entry["p_value"] for entry in result["cells"]])
    pooled = np.array([entry["p_value"] for entry in result["pooled"]])
    _, expected = adjust(pooled, p_values)
    np.testing.assert_allclose([e["adjusted_p_value"] for e in result["cells"]], expected)


@pytest.mark.parametrize(
    ("after", "what", "found"),
    [
        ({"horizon": 100}, "longest horizon", ("150", "100")),
        ({"windows": 30}, "windows", ("15", "30")),
        ({"data": "other"}, "data set", None),
    ],
)
def test_unlike_errors_are_refused_by_name(tmp_path, after, what, found):
    result = versions(tmp_path, {}, {"mark": "b", **after})
    assert result["cells"] == [] and [e["agent"] for e in result["not_comparable"]] == [*LABELS]
    (reason,) = result["not_comparable"][0]["reasons"]
    assert reason["what"] == what
    assert found is None or (reason["before"], reason["after"]) == found
    assert exit_code(result) == 2


def test_a_rate_is_not_compared_with_an_error(tmp_path):
    error_version(tmp_path / "before", {"mac": (10, 1e-4)})
    version(tmp_path / "after", {"mac": 0.5}, name="errors", episodes=5)
    sides = [read_all(Folder(tmp_path / name), ()) for name in ("before", "after")]
    rows, summary = sides[1]["errors"].rows, sides[1]["errors"].summary
    task = rows["task"].iloc[0]
    rows["task"] = "scene-play"
    summary["environments"][0]["tasks"] = ["scene-play"]
    assert task != "scene-play"
    (entry,) = diff(*sides)["not_comparable"]
    assert entry["reasons"][0] == {
        "what": "measure",
        "before": "prediction error",
        "after": "success rate",
    }


def test_other_chunk_lengths_meet_at_common_horizons(tmp_path):
    result = versions(
        tmp_path, {"scales": {"n": (3, 1e-4)}}, {"scales": {"n": (5, 1e-4)}, "mark": "b"}
    )
    assert [entry["horizon"] for entry in result["cells"]] == [45, 90, 150]


def test_errors_of_zero_and_equal_seeds_have_a_verdict(tmp_path):
    for after in ({"mse": 0.0}, {"mse": 1.0}):
        result = versions(tmp_path, {"mse": 1.0}, {"mark": "b", **after})
        for entry in result["cells"]:
            assert np.isfinite([entry["ci_low"], entry["ci_high"], entry["p_value"]]).all()
            assert entry["verdict"] == ("noise" if after["mse"] else "better")
    assert np.isfinite(PredictionError.moved(1e4))  # JSON knows no infinity


@pytest.mark.parametrize("content", ["", "task,agent\na,b\n", "task,agent,seed,step,horizon,mse"])
def test_damaged_errors_are_named(tmp_path, content):
    error_version(tmp_path, LABELS)
    for stamp in (tmp_path / "results/errors/built").iterdir():
        stamp.unlink()
    (tmp_path / "results/errors/model_error.csv").write_text(content)
    with pytest.raises(DataError, match=r"model_error.csv: no (rows|table of prediction errors)"):
        read_all(Folder(tmp_path), ())


@pytest.mark.parametrize("linked", [False, True], ids=["Welch", "paired"])
@pytest.mark.parametrize("seeds", [2, 4, 8])
def test_equal_errors_alarm_rarely(seeds, linked):
    """12 rows of each of 4 environments, log-normal errors; horizons of one model go together."""
    draws, shape = stream(0, "errors", seeds, int(linked)), (1_000, 4, 12, seeds)
    model = draws.normal(size=(*shape[:2], 4, 1, seeds))
    before, after = (
        (
            model * linked
            + draws.normal(size=model.shape)
            + 0.3 * draws.normal(size=(*model.shape[:3], 3, seeds))
        ).reshape(shape)
        for _ in range(2)
    )
    floor = np.asarray(ROUNDING**2)
    change = paired(after - before, floor) if linked else unpaired(before, after, floor, floor)
    cells = Change(*(array.reshape(len(before), -1) for array in vars(change).values()))
    _, adjusted = adjust(np.empty((len(before), 0)), cells.p_value)
    assert (cells.p_value <= ALPHA).any(-1).mean() > 0.5  # what one would get without the family
    assert (adjusted <= ALPHA).any(-1).mean() <= 0.065
