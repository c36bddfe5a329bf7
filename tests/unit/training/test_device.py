import weakref
from contextlib import nullcontext

import pytest
import torch

from mac.config.schema import ComputeConfig
from mac.errors import DeviceError
from mac.training.device import CudaGraph, choose_device, prepare_training


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


@pytest.mark.parametrize(("wanted", "expected"), [(False, "ieee"), (True, "tf32")])
def test_training_sets_the_precision_of_products_on_a_gpu(gpus, wanted, expected):
    gpus(1)
    products = torch.backends.cuda.matmul
    before, products.fp32_precision = products.fp32_precision, "ieee" if wanted else "tf32"
    try:
        device = prepare_training(ComputeConfig(device="cuda", tf32=wanted))
        assert device == torch.device("cuda") and products.fp32_precision == expected
    finally:
        products.fp32_precision = before


def test_tf32_is_refused_on_a_cpu(gpus):
    gpus(0)
    with pytest.raises(DeviceError, match=r"compute.tf32: only a GPU .*; found cpu; expected cuda"):
        prepare_training(ComputeConfig(tf32=True))


def test_a_graph_keeps_what_it_reads(monkeypatch):
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "Stream", object)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: nullcontext())
    graph, read = CudaGraph(), torch.ones(3)
    graph.record(lambda read=read: {"sum": read.sum()})
    kept = weakref.ref(read)
    del read
    assert kept() is not None
