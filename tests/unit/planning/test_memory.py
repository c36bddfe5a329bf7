from types import SimpleNamespace

import pytest

from mac.agents.base import registry
from mac.errors import SystemFault
from mac.planning.memory import exhausted, grows_with
from mac.planning.plan import Plan


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ("collect", "processes"),
        ("train_behaviour", "behaviour.batch_size"),
        ("train_value", "value.rollout_batch_size (16)"),
        ("evaluate", "evaluate.batch_width (2)"),
        ("diagnose", "evaluate.num_candidates (32)"),
    ],
)
def test_want_of_memory_names_the_job_and_what_to_lower(rule, named):
    job = next(job for job in Plan(["smoke"]) if job.rule == rule)
    error = exhausted(job, MemoryError("this machine's memory is used up"))
    assert isinstance(error, SystemFault) and not error.permanent
    text = str(error)
    assert named in text and rule in text and "memory is used up" in text and "\n" not in text


def test_imagined_rows_are_named_where_an_agent_keeps_them():
    stage = registry()["mopo"].stages[0]
    job = SimpleNamespace(stage=stage, config={"imagined": {}})
    assert list(grows_with(job)) == ["batch_size", "imagined.starts", "imagined.retain"]
    job = SimpleNamespace(stage=stage, config={})
    assert list(grows_with(job)) == ["batch_size"]
