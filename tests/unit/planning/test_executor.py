"""The executor's question for how long finished jobs are listed."""

from __future__ import annotations

import inspect
import math
from types import SimpleNamespace

import pytest

from mac.planning.executor import trust_squeue


def test_silence_is_answered_with_what_was_heard_last():
    heard = iter([None, 300, None, 60, None])
    executor = SimpleNamespace(get_min_job_age=lambda: next(heard))
    trust_squeue(executor)
    assert [executor.get_min_job_age() for _ in range(5)] == [math.inf, 300, 300, 60, 60]


def test_without_the_executor_nothing_is_mended():
    trust_squeue(None)


def test_the_executor_asks_by_the_mended_name():
    executor = pytest.importorskip("snakemake_executor_plugin_slurm")
    assert "get_min_job_age()" in inspect.getsource(executor.Executor.check_active_jobs)
    assert "get_min_job_age" in vars(executor)
