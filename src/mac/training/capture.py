"""An update as one recording of its kernels: on a GPU, launching them one by one takes longer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from mac.types import Batch

Metrics = dict[str, Tensor]
Step = Callable[[Batch, Mapping[str, Tensor]], Metrics]

WARM_UP = 3  # updates before the recording: libraries choose and load their kernels in the first


class Recorder(Protocol):
    """How a device records what a function does to fixed addresses, and does it again."""

    def warm_up(self, function: Callable[[], Metrics]) -> Metrics:
        """Run the function where it will be recorded."""

    def record(self, function: Callable[[], Metrics]) -> Metrics:
        """Record the function without running it; its results are filled by :meth:`replay`."""

    def replay(self) -> None:
        """Do again what was recorded."""


class Captured:
    """A step that changes tensors in place, replayed from a recording where there is a recorder.

    The recording reads a batch and noise of its own, into which each call's are copied. Results are
    good until the next call. A step that cannot be recorded runs as it is, and a line says so.

    Args:
        step: a function of tensors without host copies or branches on data.
        recorder: of :func:`mac.training.device.recorder`; None runs the step as it is.
    """

    def __init__(self, step: Step, recorder: Recorder | None) -> None:
        self.step, self._recorder = step, recorder
        self._calls = 0
        self._inputs: tuple[Batch, dict[str, Tensor]] | None = None
        self._results: Metrics = {}

    def __call__(self, batch: Batch, noise: Mapping[str, Tensor]) -> Metrics:
        """One step on a batch and its noise."""
        if self._recorder is not None and self._inputs is None:
            self._calls += 1
            if self._calls <= WARM_UP:
                return self._recorder.warm_up(lambda: self.step(batch, noise))
            self._record(batch, noise)
        if self._recorder is None:
            return self.step(batch, noise)
        self._fill(batch, noise)
        self._recorder.replay()
        return self._results

    def _record(self, batch: Batch, noise: Mapping[str, Tensor]) -> None:
        inputs = batch.map(torch.clone), {name: array.clone() for name, array in noise.items()}
        try:
            self._results = self._recorder.record(lambda: self.step(*inputs))
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            print(f"the update is not captured: {reason}", file=sys.stderr, flush=True)
            self._recorder = None
        else:
            self._inputs = inputs

    def _fill(self, batch: Batch, noise: Mapping[str, Tensor]) -> None:
        own_batch, own_noise = self._inputs
        for name, array in vars(batch).items():
            getattr(own_batch, name).copy_(array)
        for name, array in noise.items():
            own_noise[name].copy_(array)
