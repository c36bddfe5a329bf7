"""The floor of an update: the original update's matrix products back to back, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

Shape = tuple[int, int, int]  # (m, k, n): an (m, k) matrix times a (k, n) matrix


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


def forward(rows: int, in_dim: int, hidden: Sequence[int], out: int) -> Iterator[Shape]:
    """Products of a forward pass."""
    widths = [in_dim, *hidden, out]
    for k, n in pairwise(widths):
        yield rows, k, n


def backward(rows: int, in_dim: int, hidden: Sequence[int], out: int) -> Iterator[Shape]:
    """Products of the gradients of all weights, and of the inputs of all layers but the first."""
    for index, (_, k, n) in enumerate(forward(rows, in_dim, hidden, out)):
        yield k, rows, n
        if index:
            yield rows, n, k


def products(size: Size) -> list[tuple[Shape, int]]:
    """Products of an original MAC update and how often each runs (algorithms.md 1, reward mode)."""
    s, hidden, B = size, size.hidden_dims, size.batch_size
    chunk = s.chunk_length * s.action_dim
    state_chunk, imagined = s.observation_dim + chunk, s.rollout_length * B
    todo: list[tuple[Iterator[Shape], int]] = []

    def infer(rows: int, in_dim: int, out: int, times: int = 1) -> None:
        todo.append((forward(rows, in_dim, hidden, out), times))

    def train(rows: int, in_dim: int, out: int) -> None:
        infer(rows, in_dim, out)
        todo.append((backward(rows, in_dim, hidden, out), 1))

    train(B, state_chunk, s.observation_dim)  # dynamics
    train(B, state_chunk + 1, chunk)  # flow matching
    infer(B, state_chunk + 1, chunk, s.flow_steps)  # the distillation's target
    train(B, state_chunk, chunk)  # one-step policy
    train(B, state_chunk, 1)  # success
    train(B, state_chunk, 1)  # reward
    candidates = s.num_candidates * B
    infer(candidates, state_chunk, chunk, s.rollout_length)  # candidates of the rollout
    infer(candidates, state_chunk, 1, s.rollout_length)  # their scores
    infer(B, state_chunk, s.observation_dim, s.rollout_length)  # imagined steps
    infer(imagined, state_chunk, 1, 2)  # imagined success and reward
    infer(imagined, s.observation_dim, 1, 2)  # target values of s_h and of s_{h+1}
    train(imagined, s.observation_dim, 1)  # value
    infer(B, s.observation_dim, 1)  # value in the critic's target
    train(B, state_chunk, 1)  # critic
    counts: dict[Shape, int] = {}
    for shapes, times in todo:
        for shape in shapes:
            counts[shape] = counts.get(shape, 0) + times
    return sorted(counts.items())


def gflop(shapes: Sequence[tuple[Shape, int]]) -> float:
    """Floating-point operations of the products, in 10**9."""
    return sum(2.0 * m * k * n * times for (m, k, n), times in shapes) / 1e9


class Floor:
    """Runs the products with operands that already lie in memory."""

    def __init__(self, size: Size, dtype: torch.dtype) -> None:
        generator = torch.Generator().manual_seed(0)

        def operand(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator).to(dtype)

        self.todo = [
            (operand(m, k), operand(n, k).t(), times) for (m, k, n), times in products(size)
        ]

    def __call__(self) -> None:
        """All products once."""
        with torch.no_grad():
            for left, right, times in self.todo:
                for _ in range(times):
                    torch.mm(left, right)
