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
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise DeviceError(
            "no GPU is available to torch",
            key="compute.device",
            found=name,
            expected="cpu or auto on this machine",
        )
    return torch.device(name)


def prepare(config: ComputeConfig) -> torch.device:
    """Set threads and determinism for this process and return its device.

    The number of threads comes from the configuration: sums split over threads round differently.
    """
    torch.set_num_threads(config.threads)
    torch.set_deterministic_debug_mode("warn")  # the other spelling imports the whole compiler
    return choose_device(config.device)
