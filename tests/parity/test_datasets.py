"""Data handling of the original: compact form, normalisation, anchors, goals, batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mac.config.schema import GoalMixture
from mac.data.goals import goal_rows
from mac.data.normalize import Normalizer
from mac.data.raw import compact, episode_index
from mac.data.statistics import Columns
from mac.data.store import Split
from mac.data.views import Anchors, Chunks, Outcomes, Subgoals
from mac.types import SubgoalBatch

# Fields of batches that reach several steps ahead, and what the original calls them.
SUBGOALS = {
    "observations": "observations",
    "rewards": "high_value_rewards",
    "masks": "high_value_masks",
    "next_observations": "high_value_next_observations",
    "value_goals": "high_value_goals",
    "value_subgoals": "high_value_actions",
    "actor_goals": "high_actor_goals",
    "actor_subgoals": "high_actor_actions",
    "low_goals": "low_actor_goals",
}
DRAWS = 1_000_000
STATISTICAL = 3e-3


def pytest_generate_tests(metafunc):
    if "case_file" not in metafunc.fixturenames:
        return
    folder = Path(metafunc.config.getoption("--parity-dir"))
    files = sorted(folder.glob("datasets*.npz"))
    metafunc.parametrize("case_file", files, ids=[path.stem for path in files])


class Case:
    """One file: its arrays, settings, and the training split made of them."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as archive:
            self.arrays = {key: archive[key] for key in archive.files}
        self.config = json.loads(str(self.arrays["config"]))
        statistics = {
            "validation": {
                ours: Columns.of(self.arrays[f"compact_val/{theirs}"]).plain()
                for ours, theirs in (("observations", "observations"), ("goals", "oracle_reps"))
            }
        }
        self.statistics = statistics["validation"]
        self.normalizer = Normalizer.from_statistics(statistics, "validation")
        form = compact({key: self[f"raw_train/{key}"] for key in self.raw_keys})
        starts, lengths = episode_index(form["valids"])
        self.split = Split(
            observations=form["observations"],
            actions=form["actions"],
            terminals=form["terminals"],
            valids=form["valids"],
            goals=self["compact_train/oracle_reps"],
            rewards=self["compact_train/rewards"][None],
            masks=self["compact_train/masks"][None],
            starts=starts,
            lengths=lengths,
        )

    raw_keys = ("observations", "actions", "terminals")

    def __getitem__(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def mixture(self, who: str) -> GoalMixture:
        return GoalMixture(
            current=self.config[f"{who}_p_curgoal"],
            trajectory=self.config[f"{who}_p_trajgoal"],
            random=self.config[f"{who}_p_randomgoal"],
            geometric=self.config[f"{who}_geom_sample"],
        )

    def chunks(
        self, mode: str, length: int | None = None, kind: type[Chunks] = Chunks, **options: Any
    ) -> Chunks:
        return kind(
            self.split,
            self.normalizer,
            length or self.config["action_chunking"],
            self.config["discount"],
            mode,
            1,
            value_goals=self.mixture("value"),
            actor_goals=self.mixture("actor"),
            **options,
        )

    def subgoals(self, name: str, **options: bool) -> SubgoalBatch:
        """Our batch of the anchors and goals of one of the original's."""
        view = Subgoals(
            self.split,
            self.normalizer,
            self.config["subgoal_steps"],
            self.config["discount"],
            value_goals=self.mixture("value"),
            actor_goals=self.mixture("actor"),
            negative=name.endswith("_neg"),
            **options,
        )
        anchors = self[f"{name}_in/anchor"]
        rows, ends = view.anchors.rows(np.arange(len(view)))
        goals = (self[f"{name}_in/{who}_goal_index"] for who in ("value", "actor"))
        return view.batch(anchors, ends[np.searchsorted(rows, anchors)], *goals)

    def draw(self, mixture: GoalMixture, anchor: int) -> np.ndarray:
        """Frequency over rows of goals drawn from one anchor."""
        valid = Anchors(self.split, self.split.lengths)
        ends = self["anchors/trajectory_end_of_valid_rows"]
        end = ends[self["anchors/valid_rows"] == anchor].item()
        goals = goal_rows(
            mixture,
            np.random.default_rng(0),
            np.full(DRAWS, anchor),
            np.full(DRAWS, end),
            self.config["discount"],
            lambda generator, size: valid.sample(generator, size)[0],
        )
        return np.bincount(goals, minlength=len(self.split.valids)) / DRAWS


@pytest.fixture
def case(case_file):
    return Case(case_file)


def close(found, reference):
    assert found.shape == reference.shape
    np.testing.assert_allclose(found, reference, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("part", ["train", "val"])
def test_compact_form(case, part):
    found = compact({key: case[f"raw_{part}/{key}"] for key in case.raw_keys})
    for key in ("observations", "actions", "terminals", "valids"):
        assert np.array_equal(found[key], case[f"compact_{part}/{key}"]), key


def test_episode_index(case):
    assert case.split.lengths.tolist() == case.config["traj_lengths"]


def test_normalisation(case):
    for ours, theirs in (("observations", "observations"), ("goals", "oracle_reps")):
        for end in ("min", "max"):
            found = np.asarray(case.statistics[ours][end], np.float32)
            assert np.array_equal(found, case[f"scale/{theirs}_{end}"])
    raw = case["compact_train/observations"], case["compact_train/oracle_reps"]
    close(case.normalizer.observations(raw[0]), case["normalised/observations"])
    close(case.normalizer.goals(raw[1]), case["normalised/oracle_reps"])


def test_anchors(case):
    valid = Anchors(case.split, case.split.lengths)
    rows, ends = valid.rows(np.arange(len(valid)))
    assert np.array_equal(rows, case["anchors/valid_rows"])
    assert np.array_equal(ends, case["anchors/trajectory_end_of_valid_rows"])
    assert np.array_equal(case.chunks("goal").anchors.all(), case["anchors/chunk_anchors"])
    assert np.array_equal(case.chunks("goal", 1).anchors.all(), case["anchors/one_step_anchors"])


@pytest.mark.parametrize("name", ["ac", "c", "acgc_neg", "acgc_pos", "gc_neg", "gc_pos"])
def test_batches(case, name):
    """Chunks of n steps, and of one step: these are the transitions of agents without chunks."""
    anchors = case[f"{name}_in/anchor"]
    length = None if name.startswith("ac") else 1
    if name in ("ac", "c"):
        batch = case.chunks("reward", length, task_masks=name == "c").batch(anchors)
    else:
        goals = (case[f"{name}_in/{who}_goal_index"] for who in ("value", "actor"))
        view = case.chunks("goal", length, negative=name.endswith("_neg"))
        batch = view.batch(anchors, *goals)
        close(batch.value_goals, case[f"{name}/value_goals"])
        close(batch.actor_goals, case[f"{name}/actor_goals"])
    close(batch.actions.reshape(len(anchors), -1), case[f"{name}/actions"])
    for key in ("observations", "next_observations", "rewards", "masks"):
        close(getattr(batch, key), case[f"{name}/{key}"])


@pytest.mark.parametrize("name", ["hgc_neg", "hgc_pos"])
def test_batches_of_several_steps(case, name):
    """All that agents use; the original's batches hold one-step rewards and masks beside it."""
    batch = case.subgoals(name)
    discounts = case.config["discount"] ** case[f"{name}/high_value_subgoal_steps"]
    close(batch.discounts, np.float32(discounts))
    close(batch.actions[:, 0], case[f"{name}/actions"])
    for ours, theirs in SUBGOALS.items():
        close(getattr(batch, ours), case[f"{name}/{theirs}"])


@pytest.mark.parametrize("name", ["hgc_neg", "hgc_pos"])
def test_exact_success_asks_for_the_goal(case, name):
    """The corrected variant: rewards and masks alone change."""
    original, exact = case.subgoals(name), case.subgoals(name, exact_success=True)
    reached = case[f"{name}_in/anchor"] + case[f"{name}/high_value_subgoal_steps"].astype(int)
    success = case[f"{name}_in/value_goal_index"] == reached
    assert np.array_equal(exact.masks, 1.0 - success)
    assert not np.array_equal(exact.masks, original.masks)
    if name == "hgc_pos":
        close(exact.rewards, original.discounts * success)
    for key in vars(original).keys() - {"masks", *(["rewards"] if name == "hgc_pos" else [])}:
        assert np.array_equal(getattr(exact, key), getattr(original, key)), key


@pytest.mark.parametrize("name", ["ac_fmpc", "acgc_fmpc"])
def test_batches_of_outcomes(case, name):
    """First actions, all states that follow, returns to go; the original stacks the states."""
    anchors, negative = case[f"{name}_in/anchor"], (case[f"{name}/rewards"] < 0).any()
    if name == "ac_fmpc":
        batch = case.chunks("reward", kind=Outcomes).batch(anchors)
    else:
        goals = [case[f"{name}_in/{who}_goal_index"] for who in ("value", "actor")]
        view = case.chunks("goal", kind=Outcomes, negative=negative)
        batch = view.batch(anchors, *goals)
        close(batch.value_goals, case[f"{name}/value_goals"])
        close(batch.actor_goals, case[f"{name}/actor_goals"])
    close(batch.actions.reshape(len(anchors), -1), case[f"{name}/actions"])
    close(batch.outcomes.reshape(len(anchors), -1), case[f"{name}/next_observations"])
    close(batch.next_observations, batch.outcomes[:, -1])
    close(batch.returns_to_go, np.atleast_2d(case[f"{name}/returns_to_go"]))
    for key in ("observations", "rewards", "masks"):
        close(getattr(batch, key), case[f"{name}/{key}"])


@pytest.mark.parametrize("who", ["value", "actor", "traj_uniform", "traj_geometric"])
def test_goal_frequencies(case, who):
    mixture = {
        "traj_uniform": GoalMixture(current=0, trajectory=1, random=0),
        "traj_geometric": GoalMixture(current=0, trajectory=1, random=0, geometric=True),
    }.get(who) or case.mixture(who)
    found = case.draw(mixture, int(case["goalfreq/anchor"]))
    assert np.abs(found - case[f"goalfreq/{who}"]).max() < STATISTICAL
