"""Refuses declarations of agents over which planning would stumble, or that mean nothing."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn, get_args

from pydantic.errors import PydanticUndefinedAnnotation

from mac.config.load import sections
from mac.config.schema import AgentConfig
from mac.errors import ConfigError

if TYPE_CHECKING:
    from mac.agents.base import Agent, Stage

MODES = get_args(AgentConfig.model_fields["mode"].annotation)
# Names of mac.data.views.VIEWS, which lies in no layer below this one; a test compares.
VIEWS = ("chunks", "transitions", "steps", "subgoals", "outcomes", "plans", "hierarchy")
_TUPLES = ("modes", "stages", "acts_with", "act_reads")


def check(agent: type[Agent], base: type[Agent]) -> None:
    """Refuse what an agent declares wrongly.

    Args:
        agent: what was registered, which may be anything.
        base: what it must inherit from.

    Raises:
        ConfigError: naming the file, the class and its attribute.
    """
    if not (isinstance(agent, type) and issubclass(agent, base)):
        expected = [f"a class that inherits from {base.__name__}"]
        _refuse(agent, "", "is registered and no agent", expected=expected)
    _check_config(agent)
    for name in _TUPLES:
        if not isinstance(value := getattr(agent, name), tuple):
            _refuse(agent, name, "must be a tuple", value, remedy="a single item is (ITEM,)")
    for mode in agent.modes:
        if mode not in MODES:
            _refuse(agent, "modes", "no such mode", mode, MODES)
    keys, stages = sections(agent.Config), [stage.name for stage in agent.stages]
    if stages and not agent.acts_with and agent.evaluator == "episodes":
        _refuse(agent, "acts_with", "must name the stages that it acts with", "none", stages)
    for name in agent.acts_with:
        if name not in stages:
            _refuse(agent, "acts_with", "no such stage", name, stages)
    _check_keys(agent, "act_reads", agent.act_reads, keys)
    for stage in agent.stages:
        _check_stage(agent, stage, keys)


def _check_config(agent: type[Agent]) -> None:
    config = getattr(agent, "Config", None)
    if not (isinstance(config, type) and issubclass(config, AgentConfig)):
        expected = [f"a class that inherits from {AgentConfig.__name__}"]
        _refuse(agent, "Config", "is no configuration", config, expected)
    try:
        config.model_rebuild()  # does nothing where all is defined
    except PydanticUndefinedAnnotation as error:
        remedy = "import it, and not under `if TYPE_CHECKING`: values are checked by it"
        _refuse(agent, "Config", "an annotation is not defined", error.name, remedy=remedy)


def _check_stage(agent: type[Agent], stage: Stage, keys: Iterable[str]) -> None:
    place = f"stages, {stage.name}"
    own = (*stage.reads, *(k for some in stage.reads_in.values() for k in some))
    own = (*own, *stage.variants, *filter(None, [stage.checkpoints]))
    _check_keys(agent, place, own, keys)
    if stage.view not in VIEWS:
        _refuse(agent, f"{place}, view", "no such view of the data", stage.view, VIEWS)
    sized = [key.removesuffix(".hidden_dims") for key in keys if key.endswith(".hidden_dims")]
    for section in stage.networks or ():
        if section not in sized:
            reason = "no section of its Config with hidden_dims"
            _refuse(agent, f"{place}, networks", reason, section, sized)


def _check_keys(agent: type[Agent], place: str, wanted: Iterable[str], keys: Iterable[str]) -> None:
    """Refuse what is neither a key nor a section."""
    for key in wanted:
        if key not in keys and not any(known.startswith(f"{key}.") for known in keys):
            close = difflib.get_close_matches(key, keys, n=3) or sorted(keys)
            _refuse(agent, place, "no such key of its Config", key, close)


def _refuse(
    agent: type[Agent],
    attribute: str,
    reason: str,
    found: object = None,
    expected: Iterable[str] = (),
    remedy: str | None = None,
) -> NoReturn:
    raise ConfigError(
        reason,
        file=sys.modules[agent.__module__].__file__,
        key=".".join(filter(None, [agent.__name__, attribute])),
        found=found,
        expected=", ".join(expected) or None,
        remedy=remedy,
    )
