"""Nothing that is read or named can run code: no pickle, no unsafe YAML, no shell, no unpacking."""

import ast

import pytest
import yaml

from mac import io
from tests.architecture.source import dotted, modules, tree

PICKLING = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {
    *("torch.load", "torch.save", "eval", "exec", "os.system", "os.popen", "pd.read_pickle"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.unsafe_load_all"),
    *("shutil.unpack_archive", "subprocess.getoutput", "subprocess.getstatusoutput"),
}
METHODS = {"extractall", "extract"}  # of archives: members may be called ../../x
FLAGS = {"shell", "allow_pickle"}
# Its loader is a safe one, as a test below makes sure.
EXCEPTIONS = {"mac.io": {"yaml.load"}}


def unsafe(root):
    """Lines and names of what could run code that a file or a name brings along."""
    for node in ast.walk(root):
        if isinstance(node, ast.Import):
            found = [a.name for a in node.names if a.name.split(".")[0] in PICKLING]
        elif isinstance(node, ast.ImportFrom):
            found = [node.module] if (node.module or "").split(".")[0] in PICKLING else []
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            found = [name] if name in CALLS or method in METHODS else []
            found += [
                f"{name}({keyword.arg}=...)"
                for keyword in node.keywords
                if keyword.arg in FLAGS and getattr(keyword.value, "value", True) is not False
            ]
        else:
            continue
        yield from ((node.lineno, name) for name in found)


def test_nothing_read_or_named_can_run_code():
    wrong = [
        f"{module}:{line} uses {name}"
        for module, path in modules().items()
        for line, name in unsafe(tree(path))
        if name not in EXCEPTIONS.get(module, set())
    ]
    assert not wrong, "\n".join(wrong)


def test_the_one_yaml_loader_makes_no_objects():
    assert issubclass(io._NoDuplicates, (yaml.SafeLoader, getattr(yaml, "CSafeLoader", ())))
    with pytest.raises(io.ConfigError, match="not valid YAML"):
        io.parse_yaml(b"a: !!python/object/apply:os.system [echo]", "x.yaml")


@pytest.mark.parametrize(
    ("code", "fails"),
    [
        ("import pickle", True),
        ("from joblib import load", True),
        ("torch.load(p)", True),
        ("yaml.load(t, Loader=L)", True),
        ("yaml.safe_load(t)", False),
        ("np.load(p, allow_pickle=True)", True),
        ("np.load(p, allow_pickle=flag)", True),
        ("np.load(p, allow_pickle=False)", False),
        ("np.load(p)", False),  # NumPy's default is False
        ("subprocess.run(c, shell=True)", True),
        ("archive.extractall(folder)", True),
        ("model.eval()", False),
        ("eval(text)", True),
    ],
)
def test_the_check_itself(code, fails):
    assert bool(list(unsafe(ast.parse(code)))) == fails
