import pytest
import torch

from mac.losses.regression import HEADS, binary_cross_entropy, squared


def test_binary_cross_entropy_equals_torch_and_survives_large_logits():
    logits, labels = torch.tensor([-200.0, 0.3, 200.0]), torch.tensor([0.0, 1.0, 0.0])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(binary_cross_entropy(logits, labels), expected)


def test_squared_head_reads_outputs_as_they_are():
    raw, target = torch.tensor([1.0, -2.0]), torch.tensor([0.0, 0.0])
    assert HEADS["squared"].decode(raw) is raw
    assert HEADS["squared"].loss(raw, target).item() == squared(raw, target).item() == 2.5


def test_logit_head_clips_targets():
    raw = torch.tensor([0.0])
    low, zero = (HEADS["bce"].loss(raw, torch.tensor([t])) for t in (-3.0, 0.0))
    assert low == zero == pytest.approx(0.6931, abs=1e-4)
    assert HEADS["bce"].decode(raw).item() == 0.5
