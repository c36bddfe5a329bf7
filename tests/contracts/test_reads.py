"""What an agent's code reads of its configuration is what it declares: fingerprints rest on it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mac.agents.base import Agent, registry
from mac.agents.stages import MODEL, whole
from mac.components import Composite, Loss
from mac.config.baselines import ActorConfig, SubgoalConfig
from mac.config.load import Layer, resolve, sections
from mac.config.schema import Model
from mac.nets import MLP
from mac.nets.mlp import Init
from mac.planning.experiment import Cell
from mac.planning.reads import evaluation_reads, stage_reads
from mac.training.update import Update, adam
from tests.specs import POINTMASS

from .test_agents import CASES, NAMES, OPTIMISER, batch_and_noise, ready, resolved, spaces

# Where there are no goals it is handed on to what asks for it with goals alone.
IDLE = {"reward": {"goals.negative"}, "goal": set()}


def watched(section, read, prefix=""):
    """The same section, which puts into ``read`` the dotted keys that are looked at.

    Properties are run on the copy, so that what counts is what they look at.
    """
    kind = type(section)

    class Watched(kind):
        def __getattribute__(self, name):
            value = super().__getattribute__(name)
            if name in kind.model_fields and not isinstance(value, Model):
                read.add(prefix + name)
            elif name.startswith("model_dump"):
                read.update(sections(kind, prefix))
            return value

    inner = {
        name: watched(value, read, f"{prefix}{name}.") if isinstance(value, Model) else value
        for name, value in section
    }
    return Watched.model_construct(**inner)


def covered(cell, *stages):
    """Keys in the fingerprints of some stages and of all that they need."""
    known = {stage.name: stage for stage in cell.agent.stages}
    own = {key for stage in stages for key in (*stage_reads(cell, stage), *stage.variants)}
    needed = [known[name] for stage in stages for name in stage.needs]
    return own | covered(cell, *needed) if needed else own


def undeclared(cell):
    """Keys that an agent reads and that are in no fingerprint of what depends on them, by place."""
    read, found, mode = set(), {}, cell.resolved.config.mode
    config, widths = watched(cell.resolved.config, read), spaces(mode)

    def place(name, *declared):
        prefixes = tuple(f"{key}." for keys in declared for key in keys)
        wrong = {key for key in read - IDLE[mode] if not f"{key}.".startswith(prefixes)}
        if wrong:
            found.setdefault(name, set()).update(wrong)
        read.clear()

    stages = {stage.name: stage for stage in cell.agent.stages}
    training = {name: covered(cell, stage) for name, stage in stages.items()}
    acting = evaluation_reads(cell)["config"]
    read.clear()
    for name, stage in stages.items():
        if stage.make:
            stage.make(widths, config, Init(0))
            place(f"make of {name}", training[name])
    agent = cell.agent(config, widths, Init(0))
    place("build", acting, *training.values())
    if stages:
        parts = list(agent.parts.values())
        update = Update(parts, adam(parts, OPTIMISER), lagged_target=agent.config.lagged_target)
        batch, noise = batch_and_noise(agent, update)
        ready(update, batch, noise)
        if any(stage.make for stage in stages.values()):
            read.clear()  # a shared part looks at some of what its view prepares
        place("data and refreshes", *training.values())
    for name, part in agent.parts.items():
        part.noise(8)
        part.losses(batch, noise)
        place(f"losses of {name}", training[name])
    if agent.evaluator == "episodes":
        drawn = {key: torch.randn(5, *shape) for key, shape in agent.act_noise.items()}
        seen = torch.randn(5, widths.observation_dim), torch.randn(5, widths.goal_dim)
        with torch.no_grad():
            agent.act(*seen, drawn)
            agent.value(*seen)
        place("act", acting, *(training[name] for name in agent.acts_with))
    return found


def cell_of(agent, found):
    return Cell(agent.name, agent, POINTMASS, (1,), found)


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_every_key_that_is_read_is_declared(name, mode):
    wrong = undeclared(cell_of(registry()[NAMES[name][0]], resolved(name, mode)))
    assert not wrong, (
        f"{name} reads what no fingerprint knows, so that changed values would reuse old results: "
        f"{wrong}; add what training reads to `reads` of the stage, or to the keys of `whole`, and "
        f"what acting reads to `act_reads`"
    )


class Config(SubgoalConfig):
    actor: ActorConfig = ActorConfig(hidden_dims=(8,))
    scale: float = 1.0
    bound: float = 1.0

    @property
    def doubled(self):
        return 2.0 * self.scale


class Cloning(Agent):
    """Reads ``scale`` in its loss, by way of a property, and ``bound`` when it acts."""

    name = "cloning"
    Config = Config
    acts_with = ("agent",)

    def build(self):
        generator = self.init.generator("policy")
        widths = (self.spaces.observation_dim, self.spaces.goal_dim)
        self.policy = MLP(widths, self.config.actor.hidden_dims, 2, generator)
        return {"agent": Composite({"policy": self.policy}, self.losses)}

    def losses(self, batch, noise):
        error = self.policy(batch.observations, batch.actor_goals) - batch.actions[:, 0]
        return [Loss("loss", self.config.doubled * error.square().mean(), [self.policy])]

    def act(self, observations, goals, noise):
        bound = self.config.bound
        return self.policy(observations, goals).clamp(-bound, bound)[:, None]


@pytest.mark.parametrize(
    ("reads", "act_reads", "view", "expected"),
    [
        (("actor", "scale"), ("bound",), "transitions", {}),
        (("actor", "scale", "bound"), (), "transitions", {}),  # of weights that it acts with
        (("actor",), ("bound",), "transitions", {"losses of agent": {"scale"}}),
        (("actor",), ("bound", "scale"), "transitions", {"losses of agent": {"scale"}}),
        (("actor", "scale"), (), "transitions", {"act": {"bound"}}),
        (("scale",), ("bound",), "transitions", {"build": {"actor.hidden_dims"}}),
        (("actor.hidden_dims", "scale"), ("bound",), "transitions", {}),
        (
            ("actor", "scale", "exact_success"),
            *(("bound",), "subgoals"),
            {"data and refreshes": {"subgoal_steps"}},
        ),
    ],
)
def test_what_is_left_out_is_found(reads, act_reads, view, expected):
    class Mine(Cloning):
        stages = (whole(*reads, view=view, networks={"actor": (1, 3)}),)

    Mine.act_reads = act_reads
    given = Layer.of("test", {"agent": "cloning", "mode": "goal"})
    assert undeclared(cell_of(Mine, resolve([given], Config))) == expected


def test_a_shared_part_reads_what_its_own_stage_declares():
    class Mine(registry()["model_error"]):
        stages = (replace(MODEL, reads=("chunk_length", "model.hidden_dims"), variants=()),)

    wrong = undeclared(cell_of(Mine, resolved("model_error", "goal")))
    assert wrong == {"make of model": {"model.layer_norm"}, "build": {"model.layer_norm"}}
