"""Mistakes in an agent's file: one line that names the file and the attribute."""

import pytest

from mac.agents import base, declared
from mac.data.views import VIEWS
from mac.errors import ConfigError

AGENT = """
from __future__ import annotations

from typing import TYPE_CHECKING

from mac.agents.base import Agent, register
from mac.agents.stages import whole
from mac.config.baselines import ActorConfig, BaselineConfig

if TYPE_CHECKING:
    from typing import Literal


class Settings(BaselineConfig):
    actor: ActorConfig = ActorConfig()
    error: str = "squared"


@register("own")
class Own(Agent):
    Config = Settings
    modes = ("reward",)
    stages = (whole("error", view="steps", networks={"actor": (1, 3)}),)
    acts_with = ("agent",)
    act_reads = ("actor",)
"""


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Writes a file of the user's and looks for agents; what was found is forgotten."""
    before = base.registry()
    monkeypatch.setenv("MAC_AGENT_PATH", str(tmp_path))

    def found(text):
        (tmp_path / "own.py").write_text(text)
        base._discover.cache_clear()
        return base.registry()

    yield found
    base._discover.cache_clear()
    base._REGISTRY.clear()
    base._REGISTRY.update(before)


def test_an_agent_without_mistakes_is_found(found):
    assert found(AGENT)["own"].modes == ("reward",)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("Own(Agent)", "Own", "Own: is registered and no agent; expected a class .* from Agent$"),
        ("class Own(Agent):", "def own():\n    class Own: pass", "own: is registered and no agent"),
        ("    Config = Settings\n", "", "Own.Config: is no configuration; expected .*AgentConfig$"),
        ("Config = Settings", "Config = dict", "Own.Config: is no configuration; found <class 'd"),
        (
            *("error: str", "error: Literl"),
            "Own.Config: an annotation is not defined; found Literl; import it",
        ),
        (
            *('error: str = "squared"', 'error: Literal["squared"] = "squared"'),
            "Own.Config: an annotation is not defined; found Literal; .*not under `if TYPE_CHECKI",
        ),
        ('("reward",)', '("reward")', r"Own.modes: must be a tuple; found reward; .* \(ITEM,\)$"),
        ('("reward",)', '("rewards",)', "Own.modes: no such mode; found rewards; expected reward"),
        ('{"actor": (1, 3)}),)', "{}))", "Own.stages: must be a tuple; found Stage"),
        ('("agent",)', "()", "Own.acts_with: must name .*; found none; expected agent"),
        ('("agent",)', '("agnet",)', "Own.acts_with: no such stage; found agnet; expected agent$"),
        ('("actor",)', '("actr",)', "Own.act_reads: no such key .*; found actr; expected .*actor"),
        ('"error",', '"eror",', "Own.stages, agent: no such key .*; found eror; expected error"),
        ('"steps"', '"step"', "Own.stages, agent, view: no such view .*; found step; .*, steps, "),
        ('"actor":', '"value":', "Own.stages, agent, networks: no section .*; found value; .*or$"),
        ('"actor":', '"goals":', "Own.stages, agent, networks: no section .*; found goals"),
    ],
)
def test_a_wrong_declaration_is_refused(found, tmp_path, right, wrong, message):
    assert right in AGENT
    with pytest.raises(ConfigError, match=f"^{tmp_path}/own.py: {message}"):
        found(AGENT.replace(right, wrong))
    assert "own" not in base._REGISTRY


def test_the_line_of_what_cannot_be_run_is_told(found, tmp_path):
    with pytest.raises(ConfigError, match=r"own.py: MAC.*\(ZeroDivisionError: .*, line 2\)$"):
        found("\n1 / 0\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("def broken(:\n", "SyntaxError: .*"), ("\nimport nothing_so_named\n", "Mod.*, line 2")],
)
def test_a_broken_file_of_the_package_is_told_of_as_one_of_the_users(
    found, tmp_path, monkeypatch, text, reason
):
    import mac.agents

    (tmp_path / "broken_one.py").write_text(text)
    monkeypatch.setattr(mac.agents, "__path__", [*mac.agents.__path__, str(tmp_path)])
    with pytest.raises(ConfigError, match=rf"broken_one.py: cannot be imported \({reason}\)$"):
        found(AGENT)


def test_the_views_that_may_be_named_are_those_that_there_are():
    assert tuple(VIEWS) == declared.VIEWS
