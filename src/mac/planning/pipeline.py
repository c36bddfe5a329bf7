"""``dvc.yaml``: each experiment as a stage of DVC that calls Snakemake and owns its small files.

Snakemake alone decides what has to run, so DVC asks it every time. What experiments share is no
stage's; see :mod:`mac.planning.publish`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from mac.planning.experiment import Experiment
from mac.planning.job import RESULTS

PIPELINE = Path("dvc.yaml")
HEADER = (
    "# Written by `mac pipeline` from configs/experiments. Results are in git, not in the cache.\n"
)
PLOTS = {
    "episodes": ("scores.csv", {"x": "success_rate", "y": "agent", "template": "scatter_jitter"}),
    "model_error": ("model_error.csv", {"x": "horizon", "y": "mse", "template": "scatter"}),
}


def pipeline(names: Iterable[str]) -> str:
    """Text of ``dvc.yaml`` for these experiments."""
    stages = {name: _stage(Experiment(name)) for name in names}
    return HEADER + yaml.safe_dump({"stages": stages}, sort_keys=False, width=100)


def _stage(experiment: Experiment) -> dict[str, Any]:
    table, axes = PLOTS[experiment.cells[0].agent.evaluator]

    def owned(name: str, **options: str) -> dict[str, Any]:
        return {str(RESULTS / experiment.name / name): {"cache": False, "persist": True, **options}}

    return {
        "desc": experiment.file.title,
        "cmd": f"snakemake --cores all {experiment.name}",
        "always_changed": True,
        "outs": [owned("built")],
        "metrics": [owned("summary.json")],
        "plots": [owned(table, **axes), owned("figures")],
    }
