import re

import pytest
import torch
from torch import nn

from mac.nets.mlp import Init
from mac.nets.temporal_unet import TemporalUNet
from mac.nets.unet_sizes import lengths, misfit, products


# algorithms.md 15.1 and the table of 15.2
@pytest.mark.parametrize(
    ("down", "up", "expected"),
    [
        ((3, 3, 3), (3, 3, 3), [9, 5, 3, 2, 3, 5, 9]),
        ((3, 3), (3, 3), [5, 3, 2, 3, 5]),
        ((4, 4), (4, 4), [8, 4, 2, 4, 8]),
        ((3, 3), (3, 3), [17, 9, 5, 9, 17]),
        ((4, 3), (3, 4), [26, 13, 7, 13, 26]),
        ((4, 4), (4, 4), [16, 8, 4, 8, 16]),
        ((3, 3, 3), (4, 4, 4), [32, 16, 8, 4, 8, 16, 32]),
        ((3, 3), (4, 4), [128, 64, 32, 64, 128]),
        ((), (), [5]),
    ],
)
def test_lengths_are_those_of_the_published_configurations(down, up, expected):
    assert lengths(expected[0], down, up) == expected


@pytest.mark.parametrize(
    ("rows", "widths", "down", "up", "key", "reason"),
    [
        (26, (8, 8, 8), (4, 3), (3, 3), "kernels_up", "are 26-13-7-13-25;"),  # maze2d-large's
        (6, (8, 8, 8), (3, 3), (4, 4), "kernels_up", "are 6-3-2-4-8;"),
        (2, (8, 8, 8), (4, 4), (4, 4), "kernels_up", "are 2-1-0-0-0;"),
        (9, (8, 8, 8), (3, 3), (4, 2), "kernels_up", "are 9-5-3-6-10;"),
        (8, (8, 8), (4,), (4, 4), "kernels_down", "2 levels need 1 .*found 1 down and 2 up"),
        (8, (8, 8, 8), (4,), (4,), "kernels_down", "3 levels need 2 .*found 1 down and 1 up"),
        (8, (8, 12), (4,), (4,), "hidden_dims", "multiples of 8"),
    ],
)
def test_sizes_that_do_not_fit_are_told_of(rows, widths, down, up, key, reason):
    found, text = misfit(rows, widths, down, up)
    assert found == key and re.search(reason, text)


def test_sizes_that_fit():
    assert misfit(26, (8, 16, 24), (4, 3), (3, 4)) is None
    assert misfit(5, (8,), (), ()) is None


@pytest.mark.parametrize(
    ("rows", "widths", "down", "up"),
    [(16, (8, 16, 24), (4, 4), (4, 4)), (9, (16, 16), (3,), (3,)), (5, (8,), (), ())],
)
def test_products_are_those_of_the_networks_own_layers(rows, widths, down, up):
    net = TemporalUNet(rows, 3, widths, down, up, Init(0).generator("unet"))
    expected = []

    def note(module, inputs, output):
        weight = module.weight
        if isinstance(module, nn.Linear):
            expected.append((1, *weight.shape[::-1]))
        elif isinstance(module, nn.Conv1d):
            expected.append((output.shape[-1], weight[0].numel(), len(weight)))
        else:  # a transposed convolution's products are with its input's rows
            expected.append((inputs[0].shape[-1], weight[:, 0].numel(), weight.shape[1]))

    for module in net.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d | nn.Linear):
            module.register_forward_hook(note)
    net(torch.zeros(1, rows, 3), torch.zeros(1))
    assert sorted(products(rows, 3, widths, down, up)) == sorted(expected)
