"""The benchmark of sampling; how fast it is is no test."""

import json

from click.testing import CliRunner

from mac.cli import main


def test_sampling_is_printed_beside_the_update_that_it_feeds(store):
    result = CliRunner().invoke(main, ["bench", "data", str(store.directory)])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["cpu_ms_per_batch"] > 0 and found["cpu_ms_per_update"] > 0
    share = found["cpu_ms_per_batch"] / found["cpu_ms_per_update"]
    assert abs(found["sampling_over_update"] / share - 1) < 1e-9
