import pytest
import torch
from torch import nn

from mac.components.part import Draw, Loss, Part
from mac.config.schema import OptimiserConfig
from mac.errors import ShapeError
from mac.training.update import Update, adam, learning_rate


class Toy(Part):
    """A weight, its slow copy, and a second weight that the loss reads but does not train."""

    def __init__(self):
        super().__init__()
        self.weight, self.other = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        self.slow = nn.Linear(1, 1, bias=False).requires_grad_(False)
        with torch.no_grad():
            for module, value in ((self.weight, 2.0), (self.other, 3.0), (self.slow, 0.0)):
                module.weight.fill_(value)

    def losses(self, batch, noise):
        value = (self.weight.weight * self.other.weight).square().sum()
        return [Loss("toy_loss", value, [self.weight])]

    def follow(self):
        with torch.no_grad():
            self.slow.weight.lerp_(self.weight.weight, 0.5)


def make(lagged):
    part = Toy()
    return part, Update(
        [part], adam([part], OptimiserConfig(learning_rate=0.1)), lagged_target=lagged
    )


def test_only_named_modules_move():
    part, update = make(True)
    update(None, {})
    assert part.weight.weight.item() == pytest.approx(1.9)
    assert part.other.weight.item() == 3.0
    assert part.other.weight.grad is None


@pytest.mark.parametrize(("lagged", "expected"), [(True, 1.0), (False, 0.95)])
def test_the_target_follows_the_weight_from_before_the_update_unless_corrected(lagged, expected):
    part, update = make(lagged)
    update(None, {})
    assert part.slow.weight.item() == pytest.approx(expected)


def test_metrics_are_from_before_the_update():
    _, update = make(True)
    assert update(None, {})["toy_loss"].item() == 36.0


def test_two_parts_may_not_draw_under_one_name():
    class Noisy(Toy):
        def noise(self, batch_size):
            return {"z": Draw((batch_size,))}

    parts = [Noisy(), Noisy()]
    with pytest.raises(ShapeError, match="z"):
        Update(parts, adam(parts, OptimiserConfig())).draws(4)


@pytest.mark.parametrize(
    ("decay", "expected"),
    [("constant", [1, 1, 1]), ("linear", [1, 0.5, 0.1]), ("cosine", [1, 0.5, 0.0245])],
)
def test_learning_rate(decay, expected):
    config = OptimiserConfig(learning_rate=2.0, decay=decay)
    found = [learning_rate(config, step, 10) / 2.0 for step in (0, 5, 9)]
    assert found == pytest.approx(expected, abs=1e-4)
