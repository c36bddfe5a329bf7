"""What of a configuration a stage or an evaluation depends on: what stands in its fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mac.agents.base import Agent, Stage
from mac.config.baselines import StepConfig
from mac.config.load import sections
from mac.planning.experiment import Cell

ACTING = ("data.normalizer", "mode", "chunk_length", "evaluate.execute_length")
_EVALUATOR_READS = {
    "episodes": (
        *ACTING,
        *("evaluate.episodes", "evaluate.batch_width", "evaluate.first_seed"),
    ),
    "model_error": ("data.normalizer", "chunk_length", "evaluate.windows", "evaluate.horizon"),
}
# The return that a value function is compared with is on the value function's scale.
_VALUE_READS = {"reward": ("discount", "chunk_reward"), "goal": ("discount", "goals.negative")}


def _slice(cell: Cell, keys: Iterable[str]) -> dict[str, Any]:
    return {key: cell.resolved.value(key) for key in keys}


def evaluation_reads(cell: Cell) -> dict[str, Any]:
    """What an evaluation depends on beside its checkpoints and the data."""
    agent, mode = cell.agent, cell.resolved.config.mode
    reads = [*_EVALUATOR_READS[agent.evaluator], *agent.act_reads]
    if agent.value is not Agent.value:
        reads += _VALUE_READS[mode]
        if cell.resolved.config.evaluate.value_horizon is not None:
            reads.append("evaluate.value_horizon")  # where it is off, nothing depends on it
    if issubclass(agent.Config, StepConfig):
        reads = [key for key in reads if key not in ("chunk_length", "chunk_reward")]  # no settings
    content: dict[str, Any] = {"config": _slice(cell, reads)}
    if agent.evaluator == "episodes" and cell.environment.simulator != "ogbench":
        # OGBench's id, which the data hold, fixes all else: a line that disagrees is refused.
        content["environment"] = cell.environment.facts()
    return content


def stage_reads(cell: Cell, stage: Stage) -> dict[str, Any]:
    """What the stage reads, without the variants that have their default value."""
    default = sections(type(cell.resolved.config))
    plain = [key for key in stage.variants if cell.resolved.value(key) == default[key]]

    def without(key: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        kept = {name: v for name, v in value.items() if f"{key}.{name}" not in plain}
        return {name: without(f"{key}.{name}", v) for name, v in kept.items()}

    reads = stage.keys(cell.resolved.config.mode)
    inside = [key for key in stage.variants if key.startswith(tuple(f"{r}." for r in reads))]
    keys = (*reads, *(key for key in stage.variants if key not in {*plain, *inside}))
    return {key: without(key, value) for key, value in _slice(cell, keys).items()}
