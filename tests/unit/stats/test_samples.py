import numpy as np
import pytest

from mac.errors import DataError
from mac.rng import stream
from mac.stats.samples import LEVEL, compare, text


def names(count):
    return [f"trait {index}" for index in range(count)]


def samples(seed, *sizes, width=30):
    """Samples of one distribution, whose traits hang together and are partly tied."""
    draws = stream(seed, "samples")
    found = [draws.normal(size=(n, 1)) + draws.normal(size=(n, width)) for n in sizes]
    for sample in found:
        sample[:, ::3] = np.rint(sample[:, ::3])
    return found


def slow_distance(one, other):
    """Largest gap between two empirical distribution functions."""
    points = [*one, *other]
    return max(abs(np.mean(one <= point) - np.mean(other <= point)) for point in points)


def test_distances_are_gaps_of_distribution_functions_in_order():
    ours, theirs = samples(0, 23, 31, width=5)
    found = compare(names(5), ours, theirs)["traits"]
    distances = [one["distance"] for one in found]
    assert distances == sorted(distances, reverse=True)
    for one in found:
        index = int(one["trait"].split()[1])
        assert one["distance"] == pytest.approx(slow_distance(ours[:, index], theirs[:, index]))
        assert one["means"] == pytest.approx([ours[:, index].mean(), theirs[:, index].mean()])


def test_one_trait_that_differs_is_found_alone():
    ours, theirs = samples(1, 160, 150)
    assert compare(names(30), ours, theirs)["differing"] == 0
    theirs[:, 7] *= 4  # the mean stays
    found = compare(names(30), ours, theirs)
    assert found["differing"] == 1 and found["traits"][0]["trait"] == "trait 7"
    assert found["traits"][0]["adjusted_p_value"] <= LEVEL < found["traits"][1]["adjusted_p_value"]


def test_equal_distributions_are_rarely_told_apart():
    """At most in LEVEL of all comparisons; of 400, eleven would be three standard deviations."""
    alarms = [compare(names(30), *samples(seed, 20, 25))["differing"] > 0 for seed in range(400)]
    assert sum(alarms) <= 10


@pytest.mark.parametrize("size", [20, 100, 1000])
def test_the_distance_that_would_be_found_is_about_right(size):
    def shifted(places):
        """Samples whose distance in the first trait is ``places`` of ``size``."""
        ours, theirs = samples(2, size, size)
        ours[:, 0] = np.arange(size)
        theirs[:, 0] = np.arange(size) + places
        return compare(names(30), ours, theirs)

    least = next(
        places
        for places in range(1, size + 1)
        if shifted(places)["traits"][0]["adjusted_p_value"] <= LEVEL
    )
    assert shifted(1)["detectable"] == pytest.approx(least / size, abs=1.5 / size)


def test_equal_episodes_on_both_sides_are_refused():
    ours, theirs = samples(3, 20, 20)
    theirs[4] = ours[11]
    with pytest.raises(DataError, match="found 1 episodes that are on both sides; expected none"):
        compare(names(30), ours, theirs)


def test_what_could_never_differ_is_refused():
    ours, theirs = samples(4, 8, 8)
    theirs += 100
    assert compare(names(30), ours, theirs)["differing"] == 30
    with pytest.raises(DataError, match="found 7 and 7; expected for instance 8 and 8"):
        compare(names(30), ours[:7], theirs[:7])


def test_text_marks_what_differs_and_counts_the_rest():
    ours, theirs = samples(5, 40, 40)
    theirs[:, 2] += 5
    lines = text(compare(names(30), ours, theirs)).splitlines()
    assert lines[0].startswith("differ: 1 of 30 traits, 40 episodes against 40")
    assert [line.split()[:3] for line in lines if line.startswith("*")] == [["*", "trait", "2"]]
    assert lines[-1].startswith("  and 10 more of at most 0.")
    theirs += 5
    assert (
        sum(line.startswith("*") for line in text(compare(names(30), ours, theirs)).splitlines())
        == 30
    )
