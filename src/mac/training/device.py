"""Everything that depends on the device: choice, threads, determinism, precision, graphs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from mac.errors import DeviceError
from mac.types import Record

if TYPE_CHECKING:
    from mac.config.schema import ComputeConfig
    from mac.training.capture import Recorder


def choose_device(name: str) -> torch.device:
    """The device called ``name``; ``auto`` is a GPU where there is one, the CPU otherwise."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise DeviceError(
            f"torch sees {count or 'no'} GPU{'s' if count > 1 else ''} on this machine",
            key="compute.device",
            found=name,
            expected=f"cuda:0 to cuda:{count - 1}, cpu or auto" if count else "cpu or auto",
        )
    return device


def prepare(config: ComputeConfig) -> torch.device:
    """Set threads and determinism for this process and return its device.

    The number of threads comes from the configuration: sums split over threads round differently.
    """
    # cuBLAS sums in the same order every time only with a workspace of fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(config.threads)
    torch.set_deterministic_debug_mode("warn")  # the other spelling imports the whole compiler
    return choose_device(config.device)


def prepare_training(config: ComputeConfig) -> torch.device:
    """As :func:`prepare`, and set the precision of training's matrix products."""
    device = prepare(config)
    if config.tf32 and device.type != "cuda":
        raise DeviceError(
            "only a GPU computes in TF32", key="compute.tf32", found=str(device), expected="cuda"
        )
    torch.backends.cuda.matmul.fp32_precision = "tf32" if config.tf32 else "ieee"
    return device


def moved(array: np.ndarray, device: torch.device) -> Tensor:
    """The array on a device. A GPU fetches it by itself, after what it is at work on."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


R = TypeVar("R", bound=Record)


def on_device(record: R, device: torch.device) -> R:
    """The record on a device, where what was gathered there is already."""
    return record.map(lambda a: moved(a, device) if isinstance(a, np.ndarray) else a)


class CudaGraph:
    """A graph of CUDA kernels. It holds addresses alone, so what it reads is kept here."""

    def __init__(self) -> None:
        self._graph, self._stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        self._function: Callable[[], object] | None = None

    def warm_up(self, function: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """As in :class:`mac.training.capture.Recorder`; autograd asks for a stream of its own."""
        usual = torch.cuda.current_stream()
        self._stream.wait_stream(usual)
        with torch.cuda.stream(self._stream):
            results = function()
        usual.wait_stream(self._stream)
        return results

    def record(self, function: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """As in :class:`mac.training.capture.Recorder`; the function, and all it uses, is kept."""
        self._function = function
        with torch.cuda.graph(self._graph, stream=self._stream):
            return function()

    def replay(self) -> None:
        """As in :class:`mac.training.capture.Recorder`."""
        self._graph.replay()


def recorder(device: torch.device) -> Recorder | None:
    """What records an update on a device; None where nothing is gained by it."""
    return CudaGraph() if device.type == "cuda" else None


# What torch says of it beside its own class for GPUs: the CPU's allocator, the driver, cuBLAS.
_EXHAUSTED = ("can't allocate memory", "out of memory", "ALLOC_FAILED")


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise Python's own ``MemoryError`` where torch has several errors for want of memory."""
    try:
        yield
    except RuntimeError as error:
        if not any(phrase in str(error) for phrase in _EXHAUSTED):
            raise
        place = "the GPU's" if "CUDA" in str(error) else "this machine's"
        raise MemoryError(f"{place} memory is used up") from None
