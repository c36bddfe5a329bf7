"""Settings of the whole suite: one thread a process, and the longest tests first."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # two workers share two cores; before NumPy or torch

LONGEST_FIRST = ("tests/workflow", "tests/parity", "tests/golden")


def pytest_collection_modifyitems(items):
    """Start the long tests at once, so that no worker is left alone with them at the end."""

    def rank(item):
        path = item.nodeid
        return next((i for i, p in enumerate(LONGEST_FIRST) if path.startswith(p)), 99)

    items.sort(key=rank)  # stable: the order inside a group stays
