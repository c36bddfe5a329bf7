"""No global generator: every draw comes from a stream that its caller names."""

import ast

import pytest

from tests.architecture.source import dotted, modules, tree

# The simulator's own code draws on NumPy's global generator, which is seeded before and put back
# afterwards.
EXCEPTIONS = {"mac.envs.seeded": {"np.random.get_state", "np.random.seed", "np.random.set_state"}}

# Of np.random only what makes an explicit generator.
NUMPY_CLASSES = {"Generator", "BitGenerator", "Philox", "PCG64", "SeedSequence", "default_rng"}
TORCH_DRAWS = {
    *("rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"),
    *("rand_like", "randn_like", "randint_like"),
}
TENSOR_DRAWS = {  # methods
    *("normal_", "uniform_", "random_", "bernoulli_", "exponential_", "geometric_", "cauchy_"),
    *("log_normal_", "multinomial", "bernoulli"),
}
TORCH_GLOBAL = {
    "torch.manual_seed",
    "torch.seed",
    "torch.cuda.manual_seed",
    "torch.default_generator",
}
TORCH_GLOBAL |= {"torch.cuda.manual_seed_all", "torch.get_rng_state", "torch.set_rng_state"}


def violations(root):
    """Lines and names of draws from a global generator."""
    for node in ast.walk(root):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "random":
                    yield node.lineno, "random"
        elif isinstance(node, ast.ImportFrom):
            if node.module in ("random", "numpy.random"):
                yield node.lineno, f"from {node.module}"
        elif isinstance(node, ast.Attribute):
            name = dotted(node).replace("numpy.", "np.", 1)
            pieces = name.split(".")
            if (
                pieces[:2] == ["np", "random"]
                and len(pieces) == 3
                and pieces[2] not in NUMPY_CLASSES
            ):
                yield node.lineno, name
            if name in TORCH_GLOBAL:
                yield node.lineno, name
        if isinstance(node, ast.Call):
            yield from _call(node)


def _call(node):
    name = dotted(node.func).replace("numpy.", "np.", 1)
    keywords = {keyword.arg for keyword in node.keywords}
    if name == "np.random.default_rng" and not node.args and "seed" not in keywords:
        yield node.lineno, "np.random.default_rng without a seed"
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    draws = name.startswith("torch.") and name.removeprefix("torch.") in TORCH_DRAWS
    draws |= (
        name.split(".")[-2:-1] == ["init"]
        and name.endswith("_")
        and method
        not in (
            "zeros_",
            "ones_",
            "constant_",
        )
    )
    if (draws or method in TENSOR_DRAWS) and "generator" not in keywords:
        numpy_method = method in ("multinomial",) and not name.startswith("torch.")
        if not numpy_method:
            yield node.lineno, f"{name or method} without generator="
    if name.endswith("nn.Dropout") or name.endswith("functional.dropout"):
        yield node.lineno, name


def test_no_global_generator():
    wrong = []
    for module, path in modules().items():
        allowed = EXCEPTIONS.get(module, set())
        wrong += [
            f"{module}:{line} uses {name}"
            for line, name in violations(tree(path))
            if name not in allowed
        ]
    assert not wrong, "\n".join(wrong)


def test_exceptions_are_still_needed():
    for module, names in EXCEPTIONS.items():
        used = {name for _, name in violations(tree(modules()[module]))}
        assert names <= used, f"{module} no longer uses {', '.join(sorted(names - used))}"


@pytest.mark.parametrize(
    ("code", "fails"),
    [
        ("import numpy as np\nnp.random.normal(3)", True),
        ("import numpy\nnumpy.random.seed(3)", True),
        ("np.random.default_rng()", True),
        ("np.random.default_rng(3)", False),
        ("np.random.Generator(np.random.Philox(key=3)).normal()", False),
        ("import random", True),
        ("from random import choice", True),
        ("torch.randn(3)", True),
        ("torch.randn(3, generator=g)", False),
        ("torch.randn_like(x)", True),
        ("torch.manual_seed(0)", True),
        ("torch.Generator().manual_seed(0)", False),
        ("x.uniform_(-1, 1)", True),
        ("x.uniform_(-1, 1, generator=g)", False),
        ("nn.init.xavier_uniform_(w)", True),
        ("nn.init.zeros_(w)", False),
        ("nn.Dropout(0.1)", True),
        ("draws.normal(size=3)", False),
    ],
)
def test_the_check_itself(code, fails):
    assert bool(list(violations(ast.parse(code)))) == fails
