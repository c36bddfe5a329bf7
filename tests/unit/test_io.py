import os
import time

from mac.io import not_ahead


def test_only_times_that_lie_ahead_become_the_present(tmp_path):
    ahead, past = tmp_path / "ahead", tmp_path / "past"
    for path, moment in ((ahead, time.time() + 1e6), (past, 1e9)):
        path.write_text("kept")
        os.utime(path, (moment, moment))
    not_ahead([ahead, str(past), tmp_path / "absent"])
    assert abs(ahead.stat().st_mtime - time.time()) < 60
    assert past.stat().st_mtime == 1e9 and ahead.read_text() == "kept"
