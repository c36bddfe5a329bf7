import pytest
import torch

from mac.errors import DeviceError
from mac.training.device import choose_device


@pytest.fixture
def gpus(monkeypatch):
    """Makes torch see so many GPUs."""

    def see(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return see


@pytest.mark.parametrize(
    ("count", "name", "expected"),
    [(0, "auto", "cpu"), (2, "auto", "cuda"), (2, "cpu", "cpu"), (2, "cuda:1", "cuda:1")],
)
def test_a_device_that_is_there(gpus, count, name, expected):
    gpus(count)
    assert choose_device(name) == torch.device(expected)


@pytest.mark.parametrize(
    ("count", "name", "message"),
    [
        (0, "cuda", "compute.device: torch sees no GPU on this machine; found cuda; expected cpu"),
        (0, "cuda:1", "compute.device: torch sees no GPU on this machine; found cuda:1"),
        (1, "cuda:1", "compute.device: torch sees 1 GPU on this machine; found cuda:1"),
        (
            2,
            "cuda:2",
            "compute.device: torch sees 2 GPUs on this machine; found cuda:2; expected "
            "cuda:0 to cuda:1, cpu or auto",
        ),
    ],
)
def test_a_device_that_is_not_there_is_refused_in_one_line(gpus, count, name, message):
    gpus(count)
    with pytest.raises(DeviceError, match=message) as caught:
        choose_device(name)
    assert "\n" not in str(caught.value)
