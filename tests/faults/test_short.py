"""A few faults of every scenario; `make torture` injects hundreds."""

import pytest

from tests.faults.__main__ import SCENARIOS
from tests.faults.lab import laboratory, variant

SHORT = {"kills": 8, "damage": 6, "disks": 2, "losses": 3, "memory": 2}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    # Checks on held-out data, so that all of a store has a reader.
    experiments = {"staged": variant({"mac": None}, **{"heads.validate_every": 5})}
    with laboratory(tmp_path_factory.mktemp("faults"), 0, experiments) as lab:
        yield lab


@pytest.mark.parametrize("name", SHORT)
@pytest.mark.xdist_group("faults")
def test_faults_are_survived_without_a_trace(lab, name):
    scenario, _ = SCENARIOS[name]
    outcome = scenario(lab, SHORT[name])
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.passed, "\n".join([outcome.line(), *outcome.failures])
