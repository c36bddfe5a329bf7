from types import SimpleNamespace

import pytest

from mac.planning import resources


def job(rule, evaluator="", **compute):
    compute = {"device": "auto", "threads": 1, "workers": 1, **compute}
    return SimpleNamespace(rule=rule, evaluator=evaluator, config={"compute": compute})


@pytest.mark.parametrize(
    ("rule", "device", "present", "expected"),
    [
        ("train_value", "auto", [], 0),
        ("train_value", "auto", ["0", "1"], 1),
        ("train_value", "cpu", ["0"], 0),
        ("train_value", "cuda", [], 1),
        ("train_value", "cuda:1", ["0", "1"], 1),
        ("evaluate", "auto", ["0"], 1),
        ("evaluate", "cpu", ["0"], 0),
        ("diagnose", "auto", ["0"], 1),
        ("collect", "auto", ["0"], 0),
        ("build", "cuda", ["0"], 0),
    ],
)
def test_a_gpu_is_asked_for_where_one_is_used(monkeypatch, rule, device, present, expected):
    monkeypatch.setattr(resources, "visible", lambda: present)
    assert resources.gpus(job(rule, device=device)) == expected


@pytest.mark.parametrize(
    ("rule", "evaluator", "expected"),
    [("train_model", "", 2), ("evaluate", "episodes", 6), ("evaluate", "model_error", 2)],
)
def test_threads(rule, evaluator, expected):
    assert resources.threads(job(rule, evaluator, threads=2, workers=6)) == expected
