"""Every case of the original: forward values, gradients, parameters after 1 and 3 updates."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from .comparison import check_forward, check_gradients, check_updates, open_case


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("grad", [True, False], ids=["autograd", "inference"])
def test_forward(case, dtype, grad):
    """Both the differentiable and the fused inference path give the original's values."""
    check_forward(case, dtype, grad)


def test_gradients(case):
    check_gradients(case)


def test_updates(case):
    check_updates(case)
