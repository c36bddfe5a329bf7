"""TensorBoard and Weights & Biases: the packages are not needed here, fakes take their place."""

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from mac.config.schema import ComputeConfig
from mac.errors import ConfigError
from mac.training import watchers
from mac.training.watchers import PACKAGES, openers

ARTEFACT = Path("results/stages/cube-single-play/model-0123456789ab/seed0")
ROW = {"step": 20, "loss": 0.5, "held_out/loss": 1.0}


def module(name, **content):
    made = ModuleType(name)
    made.__spec__ = ModuleSpec(name, None)
    vars(made).update(content)
    return made


class Board:
    """Stands for torch's SummaryWriter."""

    def __init__(self, folder, purge_step):
        self.calls = [("open", folder, purge_step)]

    def add_scalar(self, name, value, step):
        self.calls.append((name, value, step))

    def close(self):
        self.calls.append(("close",))


class Wandb:
    """Stands for the package's functions and for the run it returns."""

    def __init__(self):
        self.init_with, self.logged, self.code = {}, [], None

    def init(self, **arguments):
        self.init_with = arguments
        return self

    def log(self, values, step):
        self.logged.append((values, step))

    def finish(self, exit_code):
        self.code = exit_code


@pytest.fixture
def wandb(monkeypatch):
    fake = Wandb()
    made = module("wandb", init=fake.init, Settings=lambda **values: SimpleNamespace(**values))
    monkeypatch.setitem(sys.modules, "wandb", made)
    for name in ("WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    return fake


def test_tensorboard_gets_a_point_for_each_quantity(monkeypatch, tmp_path):
    made = module("torch.utils.tensorboard", SummaryWriter=Board)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", made)
    monkeypatch.setitem(sys.modules, "tensorboard", module("tensorboard"))
    (opener,) = openers(["tensorboard"], ARTEFACT, {}, tmp_path)
    writer = opener(10)
    writer.write(ROW)
    writer.close(finished=True)
    assert writer._writer.calls == [
        ("open", str(tmp_path / "tensorboard" / ARTEFACT), 11),
        ("loss", 0.5, 20),
        ("held_out/loss", 1.0, 20),
        ("close",),
    ]


def test_wandb_stays_on_this_machine_and_is_named_after_the_artefact(wandb, tmp_path):
    (opener,) = openers(["wandb"], ARTEFACT, {"steps": 40}, tmp_path)
    writer = opener(0)
    writer.write(ROW)
    writer.close(finished=True)
    found = wandb.init_with
    assert found["name"] == ARTEFACT.as_posix() and found["config"] == {"steps": 40}
    assert found["mode"] == "offline" and found["resume"] is None
    assert Path(found["dir"]).is_dir() and tmp_path in Path(found["dir"]).parents
    assert wandb.logged == [({"loss": 0.5, "held_out/loss": 1.0}, 20)]
    assert wandb.code == 0


def test_a_training_that_goes_on_is_the_same_run_of_wandb(wandb, monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_PROJECT", "chunks")
    (opener,) = openers(["wandb"], ARTEFACT, {}, tmp_path)
    opener(0).close(finished=False)
    assert wandb.code == 1
    first = wandb.init_with
    opener(10)
    assert wandb.init_with["id"] == first["id"] and wandb.init_with["resume"] == "allow"
    assert wandb.init_with["mode"] == "online" and wandb.init_with["project"] == "chunks"
    (other,) = openers(["wandb"], ARTEFACT.with_name("seed1"), {}, tmp_path)
    other(0)
    assert wandb.init_with["id"] != first["id"]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_package_is_one_line_before_anything_runs(monkeypatch, tmp_path, name):
    monkeypatch.setattr(watchers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        openers([name], ARTEFACT, {}, tmp_path)
    line = str(caught.value)
    assert line.startswith(f"compute.writers: the package {name} is not installed; found {name}; ")
    assert "pip install -e '.[writers]'" in line and "\n" not in line


def test_no_writer_needs_no_package(monkeypatch):
    monkeypatch.setattr(watchers.importlib.util, "find_spec", lambda name: None)
    assert openers([], ARTEFACT, {}) == []


def test_what_the_configuration_accepts_is_what_there_is():
    assert ComputeConfig(writers=list(PACKAGES)).writers == tuple(PACKAGES)
    for wrong in (["tensorboard", "tensorboard"], ["mlflow"]):
        with pytest.raises(ValueError, match=r"listed twice|Input should be"):
            ComputeConfig(writers=wrong)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="needs the package tensorboard"
)
def test_tensorboard_shows_each_step_once_after_a_killed_training(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (opener,) = openers(["tensorboard"], ARTEFACT, {}, tmp_path)
    for start, steps in ((0, (10, 20, 30)), (20, (30, 40))):
        writer = opener(start)  # killed after step 30 with a state of step 20
        for step in steps:
            writer.write({"step": step, "loss": step + start / 100})
        writer.close(finished=False)
    events = EventAccumulator(str(tmp_path / "tensorboard" / ARTEFACT)).Reload()
    found = [(event.step, round(event.value, 2)) for event in events.Scalars("loss")]
    assert found == [(10, 10.0), (20, 20.0), (30, 30.2), (40, 40.2)]
