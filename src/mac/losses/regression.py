"""Regression and classification losses, and the two ways to read a value network's output."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def squared(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over all entries of the squared difference."""
    return (prediction - target).square().mean()


def expectile_weights(prediction: Tensor, target: Tensor, level: float) -> Tensor:
    """Weights (...): level where target > prediction (...), else 1 - level."""
    return torch.where(target > prediction, level, 1.0 - level)


def expectile_errors(prediction: Tensor, target: Tensor, level: float) -> Tensor:
    """Squared differences (...) of prediction and target (...), by ``expectile_weights``."""
    return expectile_weights(prediction, target, level) * (target - prediction).square()


def expectile(prediction: Tensor, target: Tensor, level: float) -> Tensor:
    """Mean of ``expectile_errors``: at its minimum the prediction is the target's expectile."""
    return expectile_errors(prediction, target, level).mean()


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropies (...) of logits against labels (...) (algorithms.md 0.5)."""
    return -(labels * F.logsigmoid(logits) + (1.0 - labels) * F.logsigmoid(-logits))


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean binary cross-entropy of logits against labels in [0, 1]."""
    return cross_entropies(logits, labels).mean()


class SquaredHead:
    """Values are the network's output; trained by squared error."""

    @staticmethod
    def decode(raw: Tensor) -> Tensor:
        """Values of raw outputs."""
        return raw

    @staticmethod
    def errors(raw: Tensor, target: Tensor) -> Tensor:
        """Squared differences (...) of raw outputs (...) and target values."""
        return (raw - target).square()

    @staticmethod
    def loss(raw: Tensor, target: Tensor) -> Tensor:
        """Loss of raw outputs against target values."""
        return squared(raw, target)


class LogitHead:
    """Values in [0, 1] are the sigmoid of the network's output; trained by cross-entropy."""

    @staticmethod
    def decode(raw: Tensor) -> Tensor:
        """Values of raw outputs."""
        return torch.sigmoid(raw)

    @staticmethod
    def errors(raw: Tensor, target: Tensor) -> Tensor:
        """Cross-entropies (...) of raw outputs (...) against target values, taken as they are."""
        return cross_entropies(raw, target)

    @staticmethod
    def loss(raw: Tensor, target: Tensor) -> Tensor:
        """Loss of raw outputs against target values, clipped to [0, 1]."""
        return binary_cross_entropy(raw, target.clamp(0.0, 1.0))


HEADS = {"squared": SquaredHead, "bce": LogitHead}
