import subprocess
import sys

import pytest
import torch
from torch import nn

from mac.config.schema import OptimiserConfig
from mac.training.optimiser import Adam


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_equals_torchs_own(decay):
    generator = torch.Generator().manual_seed(0)
    ours, theirs = (
        [nn.Parameter(torch.arange(6.0).reshape(2, 3)), nn.Parameter(torch.ones(4))] for _ in "ab"
    )
    config = OptimiserConfig(learning_rate=0.01, weight_decay=decay)
    adam = Adam(ours, config)
    reference = torch.optim.AdamW(theirs, lr=0.01, weight_decay=decay)
    for _ in range(5):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = b.grad = torch.randn(a.shape, generator=generator)
        adam.step()
        reference.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_a_training_job_does_not_import_the_compiler():
    code = (
        "import torch, sys; from torch import nn; from mac.config.schema import OptimiserConfig;"
        "from mac.training.optimiser import Adam; import mac.training.run;"
        "p = nn.Parameter(torch.ones(2)); p.grad = torch.ones(2);"
        "Adam([p], OptimiserConfig()).step();"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_gradient_may_lie_in_memory_in_any_order():
    """torch's fused kernel reads a gradient's memory as if it lay like the parameter's."""
    moved = []
    for layout in (torch.clone, lambda g: g.mT.contiguous().mT):
        parameter = nn.Parameter(torch.zeros(3, 4))
        parameter.grad = layout(torch.arange(-5.0, 7.0).reshape(3, 4))
        Adam([parameter], OptimiserConfig()).step()
        moved.append(parameter.detach())
    assert torch.equal(*moved)
    assert moved[0][0, 0] > 0.0 > moved[0][2, 3]
