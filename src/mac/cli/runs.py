"""The verbs of a run: train, evaluate, look inside, reduce, render."""

from __future__ import annotations

from typing import Any

import click

from mac.cli.jobs import attempt, plan_of, selecting


def _training_verb(rule: str, text: str) -> click.Command:
    @click.command(rule, help=text)
    @selecting()
    @click.pass_obj
    def verb(deadline: Any, experiment: str, **names: Any) -> None:
        with attempt(plan_of(experiment), rule, **names) as job:
            from mac.training.run import train

            train(job, deadline)

    return verb


TRAINING = [
    _training_verb("train_model", "Train the action-chunk dynamics."),
    _training_verb("train_heads", "Train the reward and success heads."),
    _training_verb("train_behaviour", "Train the behaviour policy."),
    _training_verb("train_value", "Train value and critic on imagined rollouts."),
    _training_verb("train_agent", "Train all parts jointly, or an agent of one stage."),
]


@click.command()
@selecting()
@click.pass_obj
def evaluate(deadline: Any, experiment: str, **names: Any) -> None:
    """Play the episodes of one run, all checkpoints and tasks."""
    with attempt(plan_of(experiment), "evaluate", **names) as job:
        from mac.evaluation.run import evaluate as run

        run(job, deadline)


@click.command()
@selecting()
def diagnose(experiment: str, **names: Any) -> None:
    """Look inside one run: its candidate chunks in numbers, an episode of each task on film."""
    with attempt(plan_of(experiment), "diagnose", **names) as job:
        from mac.evaluation.diagnose import diagnose as run

        run(job)


@click.command()
@click.argument("experiment")
@click.option(
    "--allow-missing", is_flag=True, help="a first look: of what is evaluated so far, as not built"
)
def aggregate(experiment: str, allow_missing: bool) -> None:
    """Reduce an experiment's episodes to scores and intervals."""
    from mac.planning.results import aggregate_inputs

    plan = plan_of(experiment)
    with attempt(plan, "aggregate", remember=not allow_missing) as job:
        from mac.stats.aggregate import EvaluationInput
        from mac.stats.aggregate import aggregate as run

        inputs = aggregate_inputs(plan, experiment)
        evaluations = [EvaluationInput(**fields) for fields in inputs.pop("evaluations")]
        with job.recorded():
            run(evaluations, allow_missing=allow_missing, **inputs)


@click.command()
@click.argument("experiment")
def render(experiment: str) -> None:
    """Render an experiment's tables and figures."""
    from mac.planning.results import render_inputs

    plan = plan_of(experiment)
    with attempt(plan, "render") as job:
        from mac.report.render import RenderConfig
        from mac.report.render import render as run

        inputs = render_inputs(plan, experiment)
        with job.recorded():
            run(config=RenderConfig(**inputs.pop("config")), **inputs)
