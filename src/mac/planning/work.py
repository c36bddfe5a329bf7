"""Matrix products of an update, counted without doing them: what costs and speeds are measured by.

They are those of the original's update (algorithms.md 1), which ours equals in value and undercuts
in work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from mac.agents.base import Stage
from mac.types import Spaces

Shape = tuple[int, int, int]  # (m, k, n): an (m, k) matrix times a (k, n) matrix


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


def gflop(products: Mapping[Shape, int] | Iterable[Shape]) -> float:
    """Floating-point operations of the products, in 10**9."""
    return sum(2.0 * m * k * n * times for (m, k, n), times in Counter(products).items()) / 1e9


def update(
    stages: Iterable[Stage], config: Mapping[str, Any], spaces: Spaces, *, joint: bool
) -> Counter[Shape]:
    """Products of one update of some stages, and how often each runs.

    Those of MAC's stages are exact. A stage that is an agent's own is taken to pass its rows
    through networks as wide inside as its sections say, from state, goal and chunk to a scalar,
    unless it tells the products of a pass itself; these are passed forward and backward.

    Args:
        stages: those trained.
        config: a resolved configuration, as plain values.
        spaces: widths; the goal's is 0 in reward mode.
        joint: whether all stages see one batch, or each one of its own size.
    """
    count = _Count(config, spaces)
    for stage in stages:
        alone = stage.section and not joint
        rows = (config[stage.section] if alone else config)["batch_size"]
        for section, (_, passes) in (stage.networks or {}).items():
            hidden = config[section]["hidden_dims"]
            count.infer(rows, count.seen + count.chunk, hidden, 1, passes)
        if stage.products:
            for m, k, n in stage.products(config, spaces):
                count.products.update([(rows * m, k, n), (rows * m, n, k), (k, rows * m, n)])
        elif stage.networks is None:
            getattr(count, stage.name)(rows)
    return count.products


class _Count:
    """Adds up products; a method for each stage."""

    def __init__(self, config: Mapping[str, Any], spaces: Spaces) -> None:
        self.config, self.products = config, Counter[Shape]()
        self.state, self.chunk = (
            spaces.observation_dim,
            config.get("chunk_length", 1) * spaces.action_dim,
        )
        self.seen = self.state + spaces.goal_dim

    def infer(
        self, rows: int, in_dim: int, hidden: Sequence[int], out: int, times: int = 1
    ) -> None:
        for shape in forward(rows, in_dim, hidden, out):
            self.products[shape] += times

    def train(self, rows: int, in_dim: int, hidden: Sequence[int], out: int) -> None:
        self.infer(rows, in_dim, hidden, out)
        self.products.update(backward(rows, in_dim, hidden, out))

    def model(self, rows: int) -> None:
        hidden = self.config["model"]["hidden_dims"]
        self.train(rows, self.state + self.chunk, hidden, self.state)

    def heads(self, rows: int) -> None:
        for _ in ("success", "reward"):
            self.train(rows, self.seen + self.chunk, self.config["heads"]["hidden_dims"], 1)

    def behaviour(self, rows: int) -> None:
        policy = self.config["behaviour"]
        hidden, chunk = policy["hidden_dims"], self.chunk
        if policy["policy"] == "gaussian":
            self.train(rows, self.seen, hidden, chunk)
            return
        self.train(rows, self.seen + chunk + 1, hidden, chunk)  # flow matching
        if policy["policy"] == "distilled_flow":
            self.infer(rows, self.seen + chunk + 1, hidden, chunk, policy["flow_steps"])
            self.train(rows, self.seen + chunk, hidden, chunk)

    def propose(self, rows: int, times: int) -> None:
        policy = self.config["behaviour"]
        inputs = {"gaussian": self.seen, "flow": self.seen + self.chunk + 1}
        in_dim = inputs.get(policy["policy"], self.seen + self.chunk)
        times *= policy["flow_steps"] if policy["policy"] == "flow" else 1
        self.infer(rows, in_dim, policy["hidden_dims"], self.chunk, times)

    def value(self, rows: int) -> None:
        config, section, seen_chunk = self.config, self.config["value"], self.seen + self.chunk
        hidden, critic = section["hidden_dims"], section["critic_hidden_dims"]
        starts, length = min(rows, section["rollout_batch_size"] or rows), section["rollout_length"]
        imagined, candidates = starts * length, starts * section["num_candidates"]
        self.propose(candidates, length)
        self.infer(candidates, seen_chunk, critic, 1, length)  # their scores
        self.infer(
            starts, self.state + self.chunk, config["model"]["hidden_dims"], self.state, length
        )
        self.infer(imagined, seen_chunk, config["heads"]["hidden_dims"], 1, 2)  # success, reward
        self.infer(imagined, self.seen, hidden, 1, 2)  # target values of s_h and of s_{h+1}
        self.train(imagined, self.seen, hidden, 1)
        self.infer(starts, self.seen, hidden, 1)  # value in the critic's target
        self.train(starts, seen_chunk, critic, 1)
