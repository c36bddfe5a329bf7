"""Every case of the original: forward values, gradients, parameters after 1 and 3 updates."""

from __future__ import annotations

from pathlib import Path

import pytest

from .comparison import CaseTests, open_case


def pytest_generate_tests(metafunc):
    if "case" not in metafunc.fixturenames:
        return
    folder = Path(metafunc.config.getoption("--parity-dir"))
    files = sorted(folder.glob("*.npz"))
    assert files, f"no parity cases in {folder}"
    files = [path for path in files if not path.stem.startswith("datasets")]
    metafunc.parametrize("case", files, ids=[path.stem for path in files], indirect=True)


@pytest.fixture
def case(request):
    return open_case(request.param, request.config.getoption("--device"))


class TestCasesOfTheOriginal(CaseTests):
    pass
