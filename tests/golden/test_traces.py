"""Numbers and the revision of the code that makes them move together.

Every job of a tiny experiment, and a few exact updates of every stage, are held against stored
traces. After an intended change: raise the revision (of the stage, or in
``mac.planning.job.REVISIONS``) and run ``pytest tests/golden --rewrite-golden``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mac.data.normalize import Normalizer
from mac.data.store import Store
from mac.data.views import VIEWS
from mac.rng import stream
from mac.training import run as training
from mac.training.refresh import Refreshing
from mac.training.update import Update, adam

from . import chain

STORED = Path(__file__).parent / "traces.json"
DRAWN = 1e-5  # float32 draws of another machine differ in their last bits
EXACT = 1e-9  # nothing but float64 arithmetic
IDENTITY = Normalizer(*(np.full(size, value) for size in (4, 2) for value in (0.0, 1.0)))


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield chain.run(folder, patch.setattr)


@pytest.fixture
def check(request):
    """Holds found traces against the stored ones of a kind, or stores them."""

    def check(kind, found, tolerance):
        stored = json.loads(STORED.read_text()) if STORED.exists() else {}
        if request.config.getoption("--rewrite-golden"):
            store({**stored, kind: found})
            return
        wrong = complaints(stored.get(kind, {}), found, tolerance)
        assert not wrong, "\n".join(wrong)

    return check


def store(traces):
    """Write all traces, one a line, kinds and names in order."""
    kinds = [
        f"{json.dumps(kind)}: {{\n"
        + ",\n".join(
            f" {json.dumps(n)}: {json.dumps(traces[kind][n], sort_keys=True)}"
            for n in sorted(traces[kind])
        )
        + "\n}"
        for kind in sorted(traces)
    ]
    STORED.write_text("{" + ",\n".join(kinds) + "}\n")


def complaints(stored, found, tolerance):
    """What is wrong with found traces, one line each."""
    wrong = [f"{name}: in one of both only" for name in sorted(found.keys() ^ stored.keys())]
    for name in sorted(found.keys() & stored.keys()):
        new, old = found[name], stored[name]
        moved = [
            key
            for key in sorted({*new["numbers"], *old["numbers"]})
            if not same(new, old, key, tolerance)
        ]
        raised = new["revisions"] != old["revisions"]
        if moved and not raised and new["upstream"] == old["upstream"]:
            wrong.append(
                f"{name}: {', '.join(moved)} moved; raise a revision of {new['revisions']}"
            )
        elif moved:
            wrong.append(
                f"{name}: numbers and revisions moved: pytest tests/golden --rewrite-golden"
            )
        elif raised:
            wrong.append(f"{name}: a revision moved but no number did")
    return wrong


def same(new, old, key, tolerance):
    values = [trace["numbers"].get(key, np.nan) for trace in (new, old)]
    return np.allclose(*values, rtol=tolerance, atol=tolerance / 100)


def traced(job, numbers):
    return {"revisions": chain.revisions(job), "upstream": chain.upstream(job), "numbers": numbers}


def test_jobs(jobs, check):
    """Collection, store, every stage through the trainer, evaluation."""
    check("jobs", {name: traced(job, chain.numbers(job)) for name, job in jobs.items()}, DRAWN)


def test_acting(jobs, check):
    evaluated = {n: job for n, job in jobs.items() if job.files[0] == "episodes.parquet"}
    check("acting", {n: traced(job, chain.actions(job)) for n, job in evaluated.items()}, DRAWN)


def test_updates(jobs, check):
    trained = {name: job for name, job in jobs.items() if job.stage}
    check("updates", {n: traced(job, updates(job)) for n, job in trained.items()}, EXACT)


def made_up(draw, name, shape):
    """An array of a batch, in the range of its name."""
    if name in ("masks", "continues"):
        return (draw.random(shape) > 0.3) * 1.0
    if "actions" in name:
        return draw.uniform(-0.95, 0.95, shape)
    return draw.uniform(0.5, 1.0, shape) if name == "discounts" else draw.standard_normal(shape)


def updates(job):
    """Losses of four updates from fixed parameters, batch and noise, all drawn by NumPy."""
    agent, draw = training.build_agent(job), stream(0, "golden")
    split = Store.open(job.store).split("train")
    view = VIEWS[job.stage.view].configured(agent.config, split, IDENTITY, 1)
    with torch.no_grad():
        for part in agent.parts.values():
            for parameter in part.parameters():
                values = draw.standard_normal(parameter.shape) * 0.3
                parameter.copy_(torch.from_numpy(np.asarray(values)))

    def batch_of(step, purpose, counter, rows):
        like = view.sample(stream(0, "golden shapes"), rows)
        arrays = {n: made_up(draw, n, array.shape) for n, array in vars(like).items()}
        return type(like)(**arrays).map(torch.from_numpy)

    def noise_of(purpose, counter, draws):
        kinds = {
            "normal": lambda d: draw.standard_normal(d.shape),
            "uniform": lambda d: draw.random(d.shape),
            "index": lambda d: draw.integers(d.below, size=d.shape),
        }
        return {key: torch.from_numpy(kinds[d.kind](d)) for key, d in sorted(draws.items())}

    parts = {stage.name: agent.parts[stage.name] for stage in job.stage.members}
    Refreshing(parts, batch_of, noise_of).before(1)
    parts = list(parts.values())
    update, batch = Update(parts, adam(parts, agent.config.optimiser)), batch_of(0, "batch", 0, 6)
    noise = noise_of("noise", 0, update.draws(6))
    last = [update(batch, noise) for _ in range(4)][-1]
    return {key: chain.short(value) for key, value in last.items() if key.endswith("_loss")}


@pytest.mark.parametrize(
    ("revision", "above", "number", "reason"),
    [
        (1, 1, 0.5, None),
        (1, 1, 0.5 + 1e-12, None),
        (1, 2, 0.5, None),
        (1, 1, 0.6, "loss moved; raise a revision"),
        (2, 1, 0.5, "a revision moved but no number did"),
        (2, 1, 0.6, "--rewrite-golden"),
        (1, 2, 0.6, "--rewrite-golden"),
    ],
)
def test_the_comparison_itself(revision, above, number, reason):
    def trace(revision, above, number):
        return {
            "x": {
                "revisions": {"value": revision},
                "upstream": {"model": above},
                "numbers": {"loss": number},
            }
        }

    found = complaints(trace(1, 1, 0.5), trace(revision, above, number), 1e-9)
    assert [reason] == found if reason is None and found else (not found) == (reason is None)
    assert reason is None or reason in found[0]
