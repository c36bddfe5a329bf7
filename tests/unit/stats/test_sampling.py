import numpy as np
import pytest

from mac.stats.sampling import sampling_variance


def slow_sampling_variance(successes):
    n = len(successes)
    p = (sum(successes) + 1) / (n + 2)
    return p * (1 - p) / n


@pytest.mark.parametrize("successes", [[0] * 50, [1] * 50, [1, 0, 1, 1], [1]])
def test_sampling_variance_is_binomial_and_never_zero(successes):
    found = sampling_variance(np.array(successes))
    assert found == pytest.approx(slow_sampling_variance(successes))
    assert found > 0
