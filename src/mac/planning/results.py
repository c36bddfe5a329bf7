"""What aggregation and rendering are called with, as plain values.

Statistics and report lie in layers above.
"""

from __future__ import annotations

from typing import Any

from mac.planning.job import RESULTS, Job
from mac.planning.plan import Plan
from mac.planning.tuning import told_tuning


def aggregate_inputs(plan: Plan, experiment: str) -> dict[str, Any]:
    """Arguments of :func:`mac.stats.aggregate.aggregate`; runs as fields of EvaluationInput."""
    runs = plan.runs[experiment]
    inputs = [
        dict(
            path=run.job.outputs[0],
            label=run.label,
            agent=run.job.agent,
            environment=run.job.environment.name,
            mode=run.job.config["mode"],
            tasks=_tasks(run.job),
            seed=run.job.seed,
            steps=run.job.checkpoints,
            episodes=run.job.config["evaluate"]["episodes"],
            fingerprint=run.job.fingerprint,
            evaluator=run.job.evaluator,
            followed=run.job.config["evaluate"]["value_horizon"] is not None,
        )
        for run in runs
    ]
    return {
        "evaluations": inputs,
        "out_dir": RESULTS / experiment,
        "experiment": experiment,
        "checkpoint": runs[0].job.config["report"]["checkpoint"],
        "baseline": plan.experiments[experiment].file.baseline,
        "no_data": plan.experiments[experiment].unavailable,
        "fingerprint": plan.find("aggregate", experiment=experiment).fingerprint,
        "diagnoses": {run.job.outputs[0]: run.label for run in plan.diagnoses[experiment]},
        "artefacts": _artefacts([run.job for run in (*runs, *plan.diagnoses[experiment])]),
    }


def _artefacts(evaluations: list[Job]) -> dict[str, str]:
    """Fingerprints of evaluations and diagnoses, and of all they rest on, by folder."""
    jobs = [job for evaluation in evaluations for job in (evaluation, *evaluation.ancestors())]
    return {str(job.directory): job.fingerprint for job in jobs}


def _tasks(job: Job) -> tuple[str, ...]:
    """Tasks of the rows; the model's error belongs to a data set, not to a task."""
    if job.evaluator == "model_error":
        return (job.task,)
    return tuple(name for name, _ in job.tasks)


def render_inputs(plan: Plan, experiment: str) -> dict[str, Any]:
    """Arguments of :func:`mac.report.render.render`; the config as fields of RenderConfig."""
    file = plan.experiments[experiment].file
    return {
        "folder": RESULTS / experiment,
        "config": {
            "title": file.title,
            "caption": file.caption,
            "paper": plan.experiments[experiment].paper,
            "settings": tuple(
                {
                    "label": cell.label,
                    "environment": cell.environment.name,
                    "mode": cell.resolved.config.mode,
                    "config": cell.resolved.plain,
                    "tuning": told_tuning(cell),
                }
                for cell in plan.experiments[experiment].cells
            ),
        },
        "fingerprint": plan.final[experiment].fingerprint,
    }
