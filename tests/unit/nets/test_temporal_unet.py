import math

import numpy as np
import pytest
import torch
from torch import nn

from mac.errors import ConfigError
from mac.nets.mlp import Init
from mac.nets.temporal_unet import TemporalUNet, sinusoid
from mac.nets.unet_sizes import lengths


# Slow forms on single examples, (channels, length) arrays of float64 -----------------------------
def conv(x, weight, bias, stride, padding):
    outs, _, kernel = weight.shape
    length = (x.shape[1] + 2 * padding - kernel) // stride + 1
    result = np.zeros((outs, length))
    for o in range(outs):
        for t in range(length):
            total = bias[o]
            for k in range(kernel):
                at = t * stride + k - padding
                if 0 <= at < x.shape[1]:
                    total += weight[o, :, k] @ x[:, at]
            result[o, t] = total
    return result


def conv_up(x, weight, bias, padding=1, stride=2):
    kernel = weight.shape[-1]
    length = (x.shape[1] - 1) * stride - 2 * padding + kernel
    result = np.tile(bias[:, None], (1, length))
    for t in range(x.shape[1]):
        for k in range(kernel):
            at = t * stride + k - padding
            if 0 <= at < length:
                result[:, at] += x[:, t] @ weight[:, :, k]
    return result


def mish(x):
    return x * np.tanh(np.log1p(np.exp(x)))


def group_norm(x, scale, shift, groups=8):
    result = np.zeros_like(x)
    size = len(x) // groups
    for g in range(groups):
        part = x[g * size : (g + 1) * size]
        result[g * size : (g + 1) * size] = (part - part.mean()) / np.sqrt(part.var() + 1e-5)
    return result * scale[:, None] + shift[:, None]


def oracle(net, rows, step, width, *deeper):
    """The U-Net of algorithms.md 15.1, level by level, on one example of rows (H, D)."""
    p = {key: value.detach().numpy() for key, value in net.state_dict().items()}

    def affine(x, name):
        return p[f"{name}.weight"] @ x + p[f"{name}.bias"]

    def block(x, name):
        x = conv(x, p[f"{name}.convolution.weight"], p[f"{name}.convolution.bias"], 1, 2)
        return mish(group_norm(x, p[f"{name}.norm.weight"], p[f"{name}.norm.bias"]))

    def residual(x, name):
        y = block(x, f"{name}.first") + affine(mish(embedding), f"{name}.step")[:, None]
        y = block(y, f"{name}.second")
        if f"{name}.shortcut.weight" in p:
            x = conv(x, p[f"{name}.shortcut.weight"], p[f"{name}.shortcut.bias"], 1, 0)
        return y + x

    angles = [step * 10_000 ** (-i / (width // 2 - 1)) for i in range(width // 2)]
    embedding = np.array([math.sin(a) for a in angles] + [math.cos(a) for a in angles])
    embedding = affine(mish(affine(embedding, "step_in")), "step_out")
    x, features, levels = rows.T, [], 1 + len(deeper)
    for level in range(levels):
        x = residual(residual(x, f"down_levels.{level}.first"), f"down_levels.{level}.second")
        features.append(x)
        if level < levels - 1:
            x = conv(x, p[f"down.{level}.weight"], p[f"down.{level}.bias"], 2, 1)
    x = residual(residual(x, "middle.first"), "middle.second")
    for i in range(levels - 1):
        x = np.concatenate([x, features[levels - 1 - i]])  # features[0] is never reached
        x = residual(residual(x, f"up_levels.{i}.first"), f"up_levels.{i}.second")
        x = conv_up(x, p[f"up.{i}.weight"], p[f"up.{i}.bias"])
    x = block(x, "head")
    return conv(x, p["output.weight"], p["output.bias"], 1, 0).T


def make(rows=8, row_dim=3, widths=(8, 16, 32), down=(3, 3), up=(4, 4), seed=0):
    return TemporalUNet(rows, row_dim, widths, down, up, Init(seed).generator("unet"))


@pytest.mark.parametrize(
    ("rows", "widths", "down", "up"),
    [
        (8, (8, 16, 32), (3, 3), (4, 4)),
        (8, (8, 16), (4,), (4,)),
        (7, (8, 16, 32), (3, 3), (4, 3)),
        (5, (16,), (), ()),
    ],
)
def test_the_network_equals_the_oracle(rows, widths, down, up):
    net = make(rows, 3, widths, down, up).double()
    with torch.no_grad():
        for parameter in net.parameters():  # so that scales, shifts and biases count
            parameter += 0.1 * torch.sin(torch.arange(parameter.numel())).view_as(parameter)
    x = torch.randn(2, rows, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    steps = torch.tensor([0, 13])
    found = net(x, steps)
    assert found.shape == x.shape
    for example in range(2):
        expected = oracle(net, x[example].numpy(), steps[example].item(), *widths)
        np.testing.assert_allclose(found[example].detach(), expected, rtol=1e-6, atol=1e-8)


def test_the_full_resolution_skip_is_unused():
    """The first level with blocks up takes the width of one path, not of two, from below."""
    net = make()
    inputs = [level.first.first.convolution.in_channels for level in net.up_levels]
    assert inputs == [2 * 32, 2 * 16]
    assert net.head.convolution.in_channels == 8


@pytest.mark.parametrize(("rows", "down", "up"), [(9, (3, 3, 3), (3, 3, 3)), (26, (4, 3), (3, 4))])
def test_rows_pass_through_the_numbers_that_the_formula_gives(rows, down, up):
    net = make(rows, 2, (8,) * (len(down) + 1), down, up)
    seen = [rows]
    for module in (*net.down, *net.up):
        module.register_forward_hook(lambda m, i, out: seen.append(out.shape[-1]))
    net(torch.zeros(1, rows, 2), torch.zeros(1))
    assert seen == lengths(rows, down, up)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"kernels_up: .*26-13-7-13-25"):
        make(26, down=(4, 3), up=(3, 3))  # as published


def test_the_embedding_is_sines_then_cosines():
    found = sinusoid(torch.tensor([0.0, 2.0]), 4)
    slow = [[math.sin(k), math.sin(k / 10_000), math.cos(k), math.cos(k / 10_000)] for k in (0, 2)]
    torch.testing.assert_close(found, torch.tensor(slow))


def test_initial_parameters_have_pytorchs_usual_distribution_and_the_generators_numbers():
    net = make(widths=(32, 128, 256))
    for module in net.modules():
        if isinstance(module, nn.GroupNorm):
            assert module.eps == 1e-5 and module.num_groups == 8
            assert (module.weight == 1).all() and (module.bias == 0).all()
        elif isinstance(module, nn.Conv1d | nn.ConvTranspose1d | nn.Linear):
            fan_in, _ = nn.init._calculate_fan_in_and_fan_out(module.weight)
            limit = 1 / math.sqrt(fan_in)
            assert module.weight.abs().max() <= limit and module.bias.abs().max() <= limit
            if module.weight.numel() > 5000:
                spread = pytest.approx(limit / math.sqrt(3), rel=0.03)
                assert module.weight.std().item() == spread

    def flat(seed):
        return torch.cat([p.flatten() for p in make(seed=seed).parameters()])

    before = torch.get_rng_state()
    assert torch.equal(flat(0), flat(0)) and not torch.equal(flat(0), flat(1))
    assert torch.equal(torch.get_rng_state(), before)
