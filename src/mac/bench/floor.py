"""The floor of an update: the original update's matrix products back to back, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mac.agents.base import agent_class
from mac.config.schema import ChunkedConfig
from mac.planning.work import Shape, update
from mac.types import Spaces


@dataclass(frozen=True)
class Size:
    """Size of one MAC update in reward mode."""

    hidden_dims: tuple[int, ...]
    batch_size: int
    chunk_length: int = 10
    rollout_length: int = 10
    num_candidates: int = 8
    flow_steps: int = 10
    observation_dim: int = 28
    action_dim: int = 5


SIZES = {
    "quick": Size((256,) * 3, 256),
    "paper": Size((1024,) * 4, 1024),
}


def config_of(size: Size, precision: str = "float32") -> ChunkedConfig:
    """MAC in reward mode at the given size."""
    widths = {"hidden_dims": size.hidden_dims}
    return ChunkedConfig.model_validate(
        {
            "agent": "mac",
            "mode": "reward",
            "chunk_length": size.chunk_length,
            "batch_size": size.batch_size,
            "model": widths,
            "heads": widths,
            "behaviour": {**widths, "flow_steps": size.flow_steps},
            "value": {
                **widths,
                "critic_hidden_dims": size.hidden_dims,
                "rollout_length": size.rollout_length,
                "rollout_batch_size": size.batch_size,
                "num_candidates": size.num_candidates,
            },
            "compute": {"precision": precision},
        }
    )


def products(size: Size) -> list[tuple[Shape, int]]:
    """Products of an original MAC update and how often each runs."""
    config = config_of(size).model_dump()
    spaces = Spaces(size.observation_dim, 0, size.action_dim)
    return sorted(update(agent_class("mac").stages, config, spaces, joint=True).items())


class Floor:
    """Runs the products with operands that already lie in memory."""

    def __init__(self, size: Size, dtype: torch.dtype, device: str | torch.device = "cpu") -> None:
        generator = torch.Generator().manual_seed(0)

        def operand(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator).to(device, dtype)

        self.todo = [
            (operand(m, k), operand(n, k).t(), times) for (m, k, n), times in products(size)
        ]

    def __call__(self) -> None:
        """All products once."""
        with torch.no_grad():
            for left, right, times in self.todo:
                for _ in range(times):
                    torch.mm(left, right)
