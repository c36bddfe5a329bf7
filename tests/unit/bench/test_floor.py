import pytest
import torch

from mac.bench.floor import SIZES, Floor, products
from mac.planning.work import gflop


@pytest.mark.parametrize(("size", "expected"), [("quick", 21.0696), ("paper", 1781.2957)])
def test_amount_of_work_is_fixed(size, expected):
    assert gflop(dict(products(SIZES[size]))) == pytest.approx(expected, rel=1e-5)


def test_products_of_the_quick_size():
    counts = dict(products(SIZES["quick"]))
    assert counts[(2048, 78, 256)] == 20  # candidates and their scores, ten imagined steps
    assert counts[(2048, 256, 256)] == 40
    assert counts[(2048, 256, 50)] == 10
    assert counts[(2048, 256, 1)] == 10


def test_runs_every_product(monkeypatch):
    calls = []
    monkeypatch.setattr(torch, "mm", lambda a, b: calls.append((a.shape, b.shape)))
    Floor(SIZES["quick"], torch.float32)()
    assert len(calls) == sum(times for _, times in products(SIZES["quick"]))
