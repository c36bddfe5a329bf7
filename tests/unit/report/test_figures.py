from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from mac.report.figures import COLOURS, curves, draw, intervals, model_error, styles
from mac.report.render import _rows
from mac.stats.aggregate import read_summary
from tests.unit.report.summaries import built, built_model_error


def parts(folder):
    summary = read_summary(folder)
    return summary, _rows(folder, summary)


def rising(task, step):
    return step / 400


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return built(tmp_path_factory.mktemp("quick"), {"mac": rising}, steps=(100, 200, 300), seeds=2)


def test_equal_data_give_equal_bytes_whatever_the_settings(tmp_path, quick):
    summary, rows = parts(quick)
    _, one = draw(tmp_path / "a", summary, rows, None)
    with mpl.rc_context({"svg.hashsalt": "x", "font.size": 20, "figure.dpi": 33}):
        _, two = draw(tmp_path / "b", summary, rows.sample(frac=1, random_state=1), None)
    assert [p.name for p in one] == ["intervals.svg", "intervals.png", "curves.svg", "curves.png"]
    for first, second in zip(one, two, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_files_are_pictures_with_words(tmp_path, quick):
    drawn, files = draw(tmp_path, *parts(quick), None)
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


def test_intervals_of_many_agents_in_one_panel(tmp_path):
    rates = {f"agent{i}": i / 10 for i in range(10)}
    folder = built(tmp_path, rates, environments=("scene", "cube-single"), seeds=1, episodes=5)
    figure, _, _ = intervals(read_summary(folder), None)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["scene, mean of 2", "cube-single, mean of 2", "all, mean of 4"]


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


def test_agents_differ_in_colour_and_marker():
    look = styles([f"agent{i}" for i in range(16)])
    assert len(set(look.values())) == 16
    assert len({colour for colour, _ in list(look.values())[:8]}) == 8


def test_drawing_leaves_matplotlibs_settings_alone(tmp_path, quick):
    before = dict(mpl.rcParams)
    draw(tmp_path, *parts(quick), None)
    assert dict(mpl.rcParams) == before


def test_rows_are_read_without_what_figures_do_not_need(quick):
    _, rows = parts(quick)
    assert isinstance(rows, pd.DataFrame)
    assert set(rows.columns) == {"task", "agent", "seed", "step", "success"}
