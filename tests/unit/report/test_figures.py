from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from mac.report.figures.curves import curves
from mac.report.figures.draw import draw
from mac.report.figures.intervals import intervals
from mac.report.figures.model_error import model_error
from mac.report.figures.profiles import profiles
from mac.report.figures.style import COLOURS, styles
from mac.report.render import _rows
from mac.stats.aggregate import read_summary
from mac.stats.scores import read_runs
from tests.unit.report.summaries import built, built_model_error
from tests.unit.stats.rows import experiment


def parts(folder):
    summary = read_summary(folder)
    return summary, _rows(folder, summary)


def runs_of(folder):
    return read_runs(folder / "scores.csv")


def rising(task, step):
    return step / 400


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return built(tmp_path_factory.mktemp("quick"), {"mac": rising}, steps=(100, 200, 300), seeds=2)


def test_equal_data_give_equal_bytes_whatever_the_settings(tmp_path, quick):
    summary, rows = parts(quick)
    shuffled = [frame.sample(frac=1, random_state=1) for frame in (rows, runs_of(quick))]
    _, one = draw(tmp_path / "a", summary, rows, runs_of(quick), None)
    with mpl.rc_context({"svg.hashsalt": "x", "font.size": 20, "figure.dpi": 33}):
        _, two = draw(tmp_path / "b", summary, *shuffled, None)
    assert [p.name for p in one] == [
        f"{name}.{kind}" for name in ("intervals", "curves", "profiles") for kind in ("svg", "png")
    ]
    for first, second in zip(one, two, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_files_are_pictures_with_words(tmp_path, quick):
    drawn, files = draw(tmp_path, *parts(quick), runs_of(quick), None)
    for path in files:
        if path.suffix == ".svg":
            root = ElementTree.fromstring(path.read_bytes())
            assert root.tag.endswith("svg")
            assert b"dc:date" not in path.read_bytes()
        else:
            pixels = imread(path)
            assert pixels.shape[1] > 600 and pixels.std() > 0.02
    for figure in drawn:
        assert figure.alt and figure.caption and figure.width > 300
    assert "mac" in drawn[0].alt and "%" in drawn[0].alt


def lines_of(axis, colour):
    return [line for line in axis.get_lines() if line.get_color() == colour]


def test_curves_show_the_rows(quick):
    summary, rows = parts(quick)
    figure, _, caption = curves(summary, rows)
    (axis,) = figure.axes
    line = next(line for line in lines_of(axis, COLOURS[0]) if line.get_linewidth() > 1.5)
    assert list(line.get_xdata()) == [100, 200, 300]
    expected = 100 * rows.groupby("step")["success"].mean()
    assert line.get_ydata() == pytest.approx(expected.to_numpy())
    assert len(lines_of(axis, COLOURS[0])) == 1 + 2  # and one for each of few seeds
    assert "single seeds" in caption and not axis.collections


def test_curves_have_bands_with_enough_seeds(tmp_path):
    folder = built(tmp_path, {"mac": rising}, steps=(100, 200), seeds=4)
    figure, _, caption = curves(*parts(folder))
    assert len(figure.axes[0].collections) == 1 and "Student" in caption


def test_no_curve_without_a_second_checkpoint(tmp_path):
    assert curves(*parts(built(tmp_path, {"mac": 0.5}))) is None


def test_curves_leave_out_environments_and_agents_without_any(quick):
    summary, rows = parts(quick)
    (environment,) = summary["environments"]
    elsewhere = rows[rows["step"] == rows["step"].max()].assign(task="other", agent="b", step=9000)
    summary = summary | {
        "labels": [*summary["labels"], "b"],
        "agents": summary["agents"] | {"b": summary["agents"]["mac"]},
        "environments": [environment, environment | {"name": "other", "tasks": ["other"]}],
    }
    figure, *_ = curves(summary, pd.concat([rows, elsewhere]))
    (axis,) = figure.axes
    assert axis.get_xlim()[1] < 400
    assert "b" not in [text.get_text() for text in figure.legends[0].get_texts()]


def test_intervals_show_the_summary(quick):
    summary, _ = parts(quick)
    figure, _, _ = intervals(summary, None)
    (axis,) = figure.axes
    entry = summary["agents"]["mac"]["environments"]["cube-single"]
    ends = [100 * entry["episode_ci_low"], 100 * entry["episode_ci_high"]]
    drawn = [list(line.get_xdata()) for line in lines_of(axis, COLOURS[0])]
    assert any(x == pytest.approx(ends) for x in drawn if len(x) == 2)
    assert any(x == pytest.approx([100 * entry["mean"]]) for x in drawn if len(x) == 1)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["task 1", "task 2", "mean"]


def test_intervals_of_many_agents_name_a_row_for_each_that_an_environment_has(tmp_path):
    rates = {f"agent{i}": i / 10 for i in range(10)}
    folder = built(tmp_path, rates, environments=("scene", "cube-single"), seeds=1, episodes=5)
    summary = read_summary(folder)
    summary["agents"]["agent3"]["environments"].pop("cube-single")
    summary["agents"]["agent3"]["overall"] = None
    figure, _, _ = intervals(summary, None)
    (axis,) = figure.axes
    names = [label.get_text() for label in axis.get_yticklabels()]
    without = [name for name in rates if name != "agent3"]
    assert names == [*rates, *without, *without]
    titles = [text.get_text() for text in axis.texts]
    assert titles == ["scene, mean of 2", "cube-single, mean of 2", "all, mean of 4"]
    assert not set(rates) & {text.get_text() for text in figure.legends[0].get_texts()}
    single = [line.get_data() for line in axis.lines if len(line.get_xdata()) == 1]
    means = {float(y[0]): float(x[0]) for x, y in single}
    for label, y in zip(rates, axis.get_yticks(), strict=False):
        entry = summary["agents"][label]["environments"]["scene"]
        assert means[y] == pytest.approx(100 * entry["mean"])


def test_model_error_is_drawn_on_a_log_scale_without_its_start(tmp_path):
    summary, rows = parts(built_model_error(tmp_path))
    figure, _, _ = model_error(summary, rows)
    assert len(figure.axes) == 2
    axis = figure.axes[0]
    assert axis.get_yscale() == "log" and axis.get_title() == "cube-single"
    line = lines_of(axis, COLOURS[1])[0]
    assert list(line.get_xdata()) == list(range(10, 151, 10))
    own = rows[(rows["agent"] == "n10") & (rows["task"] == "cube-single-play")]
    at = own[own["horizon"] == 150]["mse"]
    assert line.get_ydata()[-1] == pytest.approx(np.exp(np.log(at).mean()))


def test_profiles_show_the_share_of_runs_above_each_score(tmp_path):
    folder = built(tmp_path, {"mac": 0.6, "flow_bc": 0.2}, seeds=4)
    figure, alt, caption = profiles(read_summary(folder), runs_of(folder))
    (axis,) = figure.axes
    scores = runs_of(folder).loc["mac", "score"].to_numpy()
    (line,) = lines_of(axis, COLOURS[0])
    for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True):
        assert y == pytest.approx(100 * (scores > x / 100).mean())
    assert len(axis.collections) == 2 and "Student" in caption
    assert f"mac {100 * (scores > 0.5).mean():.0f} %" in alt


def test_profiles_never_mix_protocols(tmp_path):
    other = experiment(tmp_path, {"mac": 0.4}, environments=("scene",), mode="goal")
    folder = built(tmp_path, {"mac": 0.6}, extra=other)
    figure, _, _ = profiles(read_summary(folder), runs_of(folder))
    assert [axis.get_title() for axis in figure.axes] == ["goal tasks", "reward tasks"]


def test_agents_that_share_no_task_have_no_profile(tmp_path):
    other = experiment(tmp_path, {"flow_bc": 0.4}, environments=("scene",))
    folder = built(tmp_path, {"mac": 0.6}, extra=other)
    assert profiles(read_summary(folder), runs_of(folder)) is None


def test_agents_differ_in_colour_and_marker():
    look = styles([f"agent{i}" for i in range(16)])
    assert len(set(look.values())) == 16
    assert len({colour for colour, _ in list(look.values())[:8]}) == 8


def test_drawing_leaves_matplotlibs_settings_alone(tmp_path, quick):
    before = dict(mpl.rcParams)
    draw(tmp_path, *parts(quick), runs_of(quick), None)
    assert dict(mpl.rcParams) == before


def test_rows_are_read_without_what_figures_do_not_need(quick):
    _, rows = parts(quick)
    assert isinstance(rows, pd.DataFrame)
    assert set(rows.columns) == {"task", "agent", "seed", "step", "success"}
