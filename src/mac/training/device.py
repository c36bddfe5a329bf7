"""Everything that depends on the device: its choice, its threads, its determinism."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from mac.errors import DeviceError

if TYPE_CHECKING:
    from mac.config.schema import ComputeConfig


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
    torch.set_num_threads(config.threads)
    torch.set_deterministic_debug_mode("warn")  # the other spelling imports the whole compiler
    return choose_device(config.device)
