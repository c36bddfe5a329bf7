"""Adam as the original uses it, with torch's fused kernel.

``torch.optim`` imports the whole compiler when the first optimiser is made, about four CPU-seconds
in every training job; its kernel alone does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mac.config.schema import OptimiserConfig
from mac.errors import CheckpointError

BETAS, EPSILON = (0.9, 0.999), 1e-8  # epsilon is added to the root of the corrected second moment


class Adam:
    """Adam with bias correction and decoupled weight decay, over given parameters."""

    def __init__(self, parameters: Sequence[nn.Parameter], config: OptimiserConfig) -> None:
        self.parameters = list(parameters)
        self.weight_decay = config.weight_decay
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.counts = [torch.zeros((), device=p.device) for p in self.parameters]
        on_gpu = any(p.is_cuda for p in self.parameters)
        # A recorded step reads the rate from the GPU; on a CPU the kernel takes numbers alone.
        self._rate = torch.zeros((), device=self.parameters[0].device) if on_gpu else 0.0
        self.set_learning_rate(config.learning_rate)

    def set_learning_rate(self, rate: float) -> None:
        """Rate of the steps that follow."""
        if isinstance(self._rate, Tensor):
            self._rate.fill_(rate)
        else:
            self._rate = rate

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a ``.grad``; one of zeros still moves by momentum."""
        columns = (self.parameters, self.first, self.second, self.counts)
        rows = [row for row in zip(*columns, strict=True) if row[0].grad is not None]
        parameters, first, second, counts = (list(column) for column in zip(*rows, strict=True))
        torch._foreach_add_(counts, 1.0)
        torch._fused_adamw_(
            parameters,
            [p.grad.contiguous() for p in parameters],  # the kernel reads memory in order
            first,
            second,
            [],
            counts,
            lr=self._rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self.weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def tensors(self) -> dict[str, Tensor]:
        """Moments and step counts by name."""
        groups = {"first": self.first, "second": self.second, "count": self.counts}
        return {
            f"optimiser.{index}.{name}": tensor
            for name, tensors in groups.items()
            for index, tensor in enumerate(tensors)
        }

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], source: object) -> None:
        """Restore what :meth:`tensors` gave; ``source`` is the file, for messages."""
        for name, own in self.tensors().items():
            if name not in tensors or tensors[name].shape != own.shape:
                raise CheckpointError("does not fit the optimiser", file=str(source), key=name)
            own.copy_(tensors[name])
