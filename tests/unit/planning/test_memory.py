import pytest

from mac.errors import SystemFault
from mac.planning.memory import exhausted
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
