import numpy as np
import pytest

from mac.data.normalize import Normalizer
from mac.errors import ConfigError

STATISTICS = {
    "validation": {
        "observations": {"min": [-1.0, 5.0], "max": [3.0, 5.0]},
        "goals": {"min": [0.0], "max": [1.0]},
    },
    "train": {
        "observations": {"min": [-2.0, 4.0], "max": [2.0, 6.0]},
        "goals": {"min": [0.0], "max": [2.0]},
    },
}


def test_validation_range_maps_to_about_one():
    normalizer = Normalizer.from_statistics(STATISTICS, "validation")
    found = normalizer.observations(np.array([[-1, 5], [3, 5], [1, 5.01]], np.float32))
    assert found == pytest.approx(np.array([[-2 / 2.001, 0], [2 / 2.001, 0], [0, 10]]), abs=2e-3)
    assert normalizer.goals(np.array([1.0], np.float32)) == pytest.approx(0.5 / 0.501)
    assert found.dtype == np.float32


def test_train_statistics_and_identity():
    train = Normalizer.from_statistics(STATISTICS, "train")
    assert train.observations(np.array([2.0, 6.0])) == pytest.approx([2 / 2.001, 1 / 1.001])
    none = Normalizer.from_statistics(STATISTICS, "none")
    values = np.array([[0.3, -7]], np.float32)
    assert np.array_equal(none.observations(values), values)
    assert np.array_equal(none.goals(values[:, :1]), values[:, :1])


def test_goals_of_width_zero_pass_through():
    normalizer = Normalizer.from_statistics(STATISTICS, "train")
    assert normalizer.goals(np.zeros((3, 0))).shape == (3, 0)


def test_unknown_split_is_named():
    with pytest.raises(ConfigError, match=r"data.normalizer: unknown split; found test"):
        Normalizer.from_statistics(STATISTICS, "test")
