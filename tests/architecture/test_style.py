"""The code is as ruff wants it, so that a review need not speak of style.

``make lint`` is easily forgotten; the suite is not.
"""

import subprocess
import sys

import pytest

from tests.architecture.source import ROOT


@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff_has_nothing_to_say(command):
    ruff = [sys.executable, "-m", "ruff", *command, "."]
    done = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
