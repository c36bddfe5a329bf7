"""Settings of the whole suite: one thread a process, and the longest tests first."""

import os
from pathlib import Path

import pytest

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # two workers share two cores; before NumPy or torch

PARITY_CASES = Path(__file__).parent / "parity" / "cases"
LONGEST_FIRST = ("tests/workflow", "tests/parity", "tests/golden")


def pytest_collection_modifyitems(items):
    """Start the long tests at once, so that no worker is left alone with them at the end."""

    def rank(item):
        path = item.nodeid
        return next((i for i, p in enumerate(LONGEST_FIRST) if path.startswith(p)), 99)

    items.sort(key=rank)  # stable: the order inside a group stays


def pytest_configure(config):
    """A folder of cases that is not there would only skip every comparison with the original."""
    if not Path(folder := config.getoption("--parity-dir")).is_dir():
        raise pytest.UsageError(f"--parity-dir: no such folder: {folder}")


def pytest_addoption(parser):
    parser.addoption(
        "--parity-dir",
        default=str(PARITY_CASES),
        help="folder with the numerical cases of the original implementation",
    )
    parser.addoption(
        "--device", default="cpu", help="where the parity cases and the tests for a GPU run"
    )
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="store the golden traces anew, after an intended change and a raised revision",
    )
