"""What every agent promises, over the registry, both modes, and the variants that change code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from mac.agents.base import registry
from mac.config.load import Layer, resolve
from mac.config.schema import OptimiserConfig
from mac.data.normalize import Normalizer
from mac.data.store import Split
from mac.data.views import VIEWS
from mac.errors import TrainingError
from mac.nets.mlp import Init
from mac.planning.agent_file import read_agent
from mac.planning.files import find
from mac.rng import stream
from mac.stopping import UNFINISHED, Deadline, Interrupted
from mac.training import checkpoint
from mac.training.refresh import Refreshing
from mac.training.trainer import Settings, Trainer
from mac.training.update import Update, adam
from mac.types import Spaces

PLANNER = {
    "rows": 4,
    "hidden_dims": [8, 8],
    "kernels_down": [4],
    "kernels_up": [4],
    "diffusion_steps": 3,
}
SMALL = {
    "steps": 6,
    "batch_size": 8,
    "chunk_length": 3,
    "outcome_length": 4,
    "model.hidden_dims": [8],
    "heads.hidden_dims": [8],
    "behaviour": {"hidden_dims": [8], "flow_steps": 2},
    "value": {"hidden_dims": [8], "critic_hidden_dims": [8], "rollout_length": 2},
    "actor": {"hidden_dims": [8], "flow_steps": 2, "diffusion_steps": 2, "time_dims": [4, 4, 4]},
    "rollout_length": 10,
    "dynamics.hidden_dims": [8],
    "imagined": {"batch_size": 8, "rollout_length": 2, "starts": 5, "retain": 2, "every": 2},
    "evaluate.num_candidates": 3,
    **{level: PLANNER for level in ("plan", "high", "low")},
    "evaluate.execute_length": 1,
}
PLAIN = {f"{section}.layer_norm": False for section in ("model", "heads", "behaviour", "value")}
BCE = {"value.loss": "bce", "goals.negative": False}
VARIANTS = {
    "mac_flow": ("mac", {"behaviour.policy": "flow"}),
    "mac_bce": ("mac", BCE),
    "mac_corrected": ("mac", {**BCE, "value.corrected_critic": True}),
    "mac_unlagged": ("mac", {"value.lagged_target": False, "value.target_network": False}),
    "mac_bf16": ("mac", {"compute.precision": "bf16", "value.td_lambda": 0.5}),
    "mac_plain": ("mac", PLAIN),
    "mac_gau_free": (
        "mac_gau",
        {"behaviour.squash": False, "behaviour.state_dependent_std": False},
    ),
    "mac_fql_corrected": ("mac_fql", {"corrected_discount": True, "corrected_normaliser": True}),
    "iql_ddpg_bc": ("iql", {"extraction": "ddpg_bc"}),
    "gciql_awr": ("gciql", {"extraction": "awr"}),
    "sharsa_squared": (
        "sharsa",
        {**{"value.loss": "squared", "goals.negative": True}, **{"value.aggregation": "mean"}},
    ),
    "ngcsac_bc_squared": (
        "ngcsac_bc",
        {
            **{"value.loss": "squared", "goals.negative": True, "value.aggregation": "mean"},
            **{"value.members": 3, "actor.squash": False, "actor.state_dependent_std": False},
            **{"actor.target_entropy": 1.0, "exact_success": True},
        },
    ),
    "iql_free": ("iql", {"extraction": "ddpg_bc", "actor.unit_std": False}),
    "iql_awr_free": ("iql", {"actor.unit_std": False, "value.aggregation": "mean"}),
    "rebrac_corrected": (
        "rebrac",
        {"corrected_next_action": True, "actor_every": 3, "actor.squash": False},
    ),
    "idql_plain": (
        "idql",
        {"actor.layer_norm": False, "actor.dropout": 0.0, "actor.hidden_dims": [6, 8]},
    ),
    "fql_min": (
        "fql",
        {"value.aggregation": "min", "normalise_q": True, "value.layer_norm": False},
    ),
    "leq_repeated": (
        "leq",
        {"rollouts": 2, "corrected_members": True, "actor.squash": False, "td_lambda": 0.5},
    ),
    "fmpc_corrected": (
        "fmpc",
        {"value.loss": "bce", "value.corrected_critic": True, "first_return": True},
    ),
    "fmpc_independent": ("fmpc", {"independent_noise": True, "chunk_length": 1}),
    "mopo_bce": ("mopo", {**BCE, "value.aggregation": "mean", "value.members": 3}),
    "mopo_free": (
        "mopo",
        {
            **{"actor.squash": False, "actor.state_dependent_std": False},
            **{"actor.target_entropy": 1.0, "value.lagged_target": False},
        },
    ),
    "mobile_corrected": ("mobile", {"corrected_penalty": True, "num_samples": 2}),
    "mac_fql_bf16": ("mac_fql", {"compute.precision": "bf16"}),
    "flow_bc_flow": ("flow_bc", {"act_by": "flow"}),
}
KNOWN = {name: (name, {}) for name in registry()}  # with those of MAC_AGENT_PATH
NAMES = {**KNOWN, **VARIANTS}


def over(names):
    """Names of agents and variants with each mode they know."""
    return [
        pytest.param(name, mode, id=f"{name}-{mode}")
        for name in names
        for mode in registry()[NAMES[name][0]].modes
    ]


CASES = over(NAMES)
TRAINED = over(name for name in NAMES if registry()[NAMES[name][0]].stages)


def resolved(name, mode, **own):
    """The configuration of a name, small, with values of its YAML, of its variant and ``own``."""
    agent, values = NAMES[name]
    cls, path = registry()[agent], find("agents", agent)
    layers = [
        Layer.of("built in", {"agent": agent, "mode": mode}),
        *read_agent(cls).layers(path, mode),
        Layer.of("test", SMALL, shared=True),
        Layer.of("variant", {**values, **own}),
    ]
    everyone = [known.Config for known in registry().values()]
    return resolve(layers, cls.Config, everyone)


def spaces(mode):
    """Widths of the data that agents are tested with."""
    return Spaces(4, 2 if mode == "goal" else 0, 2)


def build(name, mode, seed=0, **own):
    """The agent of a name, of the configuration that :func:`resolved` gives."""
    return registry()[NAMES[name][0]](resolved(name, mode, **own).config, spaces(mode), Init(seed))


OPTIMISER = OptimiserConfig(learning_rate=0.01)


def random_split():
    """Three episodes of noise."""
    generator = np.random.default_rng(0)
    lengths = np.array([20, 26, 22])
    starts = np.append(0, np.cumsum(lengths + 1)[:-1])
    rows = int((lengths + 1).sum())

    def normal(*shape):
        return generator.standard_normal((rows, *shape), dtype=np.float32)

    final = np.isin(np.arange(rows), starts + lengths)
    return Split(
        observations=normal(4),
        actions=np.clip(normal(2), -0.99, 0.99),
        terminals=(final | np.append(final[1:], False)).astype(np.float32),
        valids=1.0 - final.astype(np.float32),
        goals=normal(2),
        rewards=normal()[None],
        masks=(generator.random((1, rows)) > 0.5).astype(np.float32),
        starts=starts,
        lengths=lengths,
    )


SPLIT = random_split()
SPREAD = {"min": [-1.0], "max": [1.0]}
NORMALIZER = Normalizer.from_statistics(
    {
        "validation": {
            "observations": {k: 4 * v for k, v in SPREAD.items()},
            "goals": {k: 2 * v for k, v in SPREAD.items()},
        }
    },
    "none",
)


class View:
    """The view that an agent trains on, of noise in place of data."""

    def of(self, agent):
        kind = VIEWS[agent.stages[0].view]
        self.inner = kind.configured(agent.config, SPLIT, NORMALIZER, 1)
        return self

    def at(self, step):
        return self

    def sample(self, generator, batch_size):
        return self.inner.sample(generator, batch_size)


def batch_and_noise(agent, update, device="cpu"):
    """Inputs of an update, after the refreshes that are due before the first one."""
    view, generator = View().of(agent), torch.Generator().manual_seed(0)
    dtype = next(iter(parameters(agent).values())).dtype

    def rows(step, purpose, counter, count):
        batch = view.sample(stream(0, purpose, counter=counter), count)
        return batch.map(lambda array: torch.from_numpy(array).to(device, dtype))

    def noise(purpose, counter, draws):
        drawn = {n: draw.sample(generator, torch.device("cpu")) for n, draw in draws.items()}
        found = {n: x.to(device) for n, x in drawn.items()}
        return {n: x.to(dtype) if x.is_floating_point() else x for n, x in found.items()}

    Refreshing(agent.parts, rows, noise).before(1)
    return rows(0, "test", 0, 8), noise("test", 0, update.draws(8))


# Modules through which another module's loss passes without training them: nothing but the loss's
# own ``trains`` keeps its gradient out.
FROZEN_IN_ANOTHER_LOSS = {
    "mac_fql": {"value.values.critic"},
    "gciql": {"agent.values.critics.critic"},
    "gciql_awr": set(),
    "ngcsac_bc": {"agent.critics.critic"},
    "iql_ddpg_bc": {"agent.values.critics.critic"},
    "iql_free": {"agent.values.critics.critic"},
    "fql": {"agent.critics.critic"},
    "rebrac": {"agent.critics.critic"},
    "mopo": {"agent.critics.critic"},
    "mobile": {"agent.critics.critic"},
}


def ready(update, batch, noise):
    """Leave only the update in which every loss and every target has its turn."""
    for _ in range(max(part.period for part in update.parts) - 1):
        update(batch, noise)


def rate_of(agent, target):
    """Rate of a target network: its owner's, or the one that the configuration gives to all."""
    part, path = target.partition("target_")[0].removesuffix(".").partition(".")[::2]
    owner = agent.parts[part].get_submodule(path)
    return getattr(owner, "rate", None) or agent.config.value.polyak_rate


def parameters(agent):
    return {
        f"{stage}.{key}": parameter
        for stage, part in agent.parts.items()
        for key, parameter in part.named_parameters()
    }


@pytest.mark.parametrize(("name", "mode"), TRAINED)
def test_losses_are_finite_and_every_parameter_is_trained_by_exactly_one(name, mode):
    agent = build(name, mode)
    update = Update(list(agent.parts.values()), adam(list(agent.parts.values()), OPTIMISER))
    batch, noise = batch_and_noise(agent, update)
    ready(update, batch, noise)
    trained = []
    for part in agent.parts.values():
        for loss in part.losses(batch, noise):
            assert torch.isfinite(loss.value), loss.name
            own = [p for module in loss.trains for p in module.parameters()]
            gradients = torch.autograd.grad(loss.value, own, allow_unused=True)
            assert all(g is not None for g in gradients), f"{loss.name} misses what it names"
            assert any(g.abs().sum() > 0 for g in gradients), f"{loss.name} has no gradient"
            trained += [id(p) for p in own]
    expected = [id(p) for p in parameters(agent).values() if p.requires_grad]
    assert sorted(trained) == sorted(expected)


@pytest.mark.parametrize(("name", "mode"), TRAINED)
def test_gradients_are_those_of_the_sum_of_all_losses(name, mode):
    """As in the original, which differentiates one sum: no loss leaks into another's modules."""
    agent = build(name, mode)
    parts = list(agent.parts.values())
    update = Update(parts, adam(parts, OPTIMISER))
    batch, noise = batch_and_noise(agent, update)
    ready(update, batch, noise)
    total = sum(loss.value for part in parts for loss in part.losses(batch, noise))
    online = {key: p for key, p in parameters(agent).items() if p.requires_grad}
    summed = dict(zip(online, torch.autograd.grad(total, list(online.values())), strict=True))
    update.gradients(batch, noise)
    frozen = FROZEN_IN_ANOTHER_LOSS.get(name, FROZEN_IN_ANOTHER_LOSS.get(agent.name, ()))
    for key, parameter in online.items():
        same = torch.allclose(parameter.grad, summed[key], rtol=1e-4, atol=1e-6)
        assert same or key.startswith(tuple(frozen)), key
    for module in frozen:
        inside = [key for key in online if key.startswith(module)]
        assert any(not torch.allclose(online[k].grad, summed[k], rtol=1e-4) for k in inside)


@pytest.mark.parametrize(("name", "mode"), TRAINED)
@pytest.mark.parametrize("together", [True, False], ids=["joint", "staged"])
def test_an_update_moves_what_it_trains_and_nothing_else(name, mode, together):
    agent = build(name, mode)
    lagged = agent.config.lagged_target
    last = list(agent.parts)[-1]
    parts = list(agent.parts.values()) if together else [agent.parts[last]]
    update = Update(parts, adam(parts, OPTIMISER), lagged_target=lagged)
    batch, noise = batch_and_noise(agent, update)
    ready(update, batch, noise)
    with torch.no_grad():  # targets start as copies; apart from V they show which way they moved
        for key, parameter in parameters(agent).items():
            if "target_" in key:
                parameter.add_(0.1)
    before = {key: p.detach().clone() for key, p in parameters(agent).items()}
    update(batch, noise)
    after = parameters(agent)
    for key, parameter in after.items():
        if not together and not key.startswith(f"{last}."):
            assert torch.equal(parameter, before[key]), key
        elif "target_" in key:
            online = key.replace("target_", "")
            towards = (before if lagged else after)[online]
            expected = torch.lerp(before[key], towards, rate_of(agent, key))
            assert torch.allclose(parameter, expected), key
        else:
            assert not torch.equal(parameter, before[key]), key


class NothingFromTheHost(TorchFunctionMode):
    """Refuses what copies between host and device, which a graph of kernels cannot record."""

    REFUSED = frozenset(
        [
            "tensor",
            "as_tensor",
            "from_numpy",
            "new_tensor",
            "numpy",
            "cpu",
            "item",
            "tolist",
            "__bool__",
            "__float__",
            "__int__",
            "nonzero",
            "masked_select",
            "to_dense",
        ]
    )

    def __torch_function__(self, func, types, args=(), kwargs=None):
        assert func.__name__ not in self.REFUSED, f"{func.__name__} in an update"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("name", "mode"), TRAINED)
def test_an_update_copies_nothing_from_or_to_the_host(name, mode):
    agent = build(name, mode)
    parts = list(agent.parts.values())
    update = Update(parts, adam(parts, OPTIMISER), lagged_target=agent.config.lagged_target)
    batch, noise = batch_and_noise(agent, update)
    with NothingFromTheHost():
        update(batch, noise)


@pytest.mark.parametrize(
    "act", [lambda x: x.new_tensor([1.0]), lambda x: torch.tensor(1.0), lambda x: x.sum().item()]
)
def test_host_copies_are_found(act):
    with NothingFromTheHost(), pytest.raises(AssertionError, match="in an update"):
        act(torch.ones(2))


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_act_keeps_bounds_and_shapes(name, mode):
    agent = build(name, mode)
    if agent.evaluator != "episodes":
        pytest.skip("never acts")
    generator = torch.Generator().manual_seed(0)
    observations = 3 * torch.randn(5, 4, generator=generator)
    goals = torch.randn(5, agent.spaces.goal_dim, generator=generator)
    noise = {
        key: 3 * torch.randn(5, *shape, generator=generator)
        for key, shape in agent.act_noise.items()
    }
    with torch.no_grad():
        actions = agent.act(observations, goals, noise)
        again = agent.act(observations, goals, noise)
        values = agent.value(observations, goals)
    assert actions.shape == (5, agent.config.chunk_length, 2)
    assert actions.abs().max() <= 1.0
    assert torch.equal(actions, again)
    assert values is None or values.shape == (5,)


@pytest.mark.parametrize(("name", "mode"), TRAINED)
def test_the_seed_decides_the_initial_parameters(name, mode):
    def flat(seed):
        parts = build(name, mode, seed).parts.values()
        return torch.cat([p.flatten() for part in parts for p in part.parameters()])

    assert torch.equal(flat(1), flat(1))
    assert not torch.equal(flat(1), flat(2))


def make_trainer(
    name, mode, folder, view=None, stage=None, save_every_s=1e9, openers=(), deadline=None
):
    agent = build(name, mode)
    settings = Settings(
        name="joint",
        seed=0,
        steps=6,
        batch_size=8,
        optimiser=agent.config.optimiser,
        device=torch.device("cpu"),
        checkpoints=(3, 6),
        log_every=2,
        save_every_s=save_every_s,
    )
    view = (view or View()).of(agent)
    parts = agent.parts if stage is None else {stage: agent.parts[stage]}
    return Trainer(parts, settings, view, None, folder, folder / "resume", openers, deadline)


class Interrupting(View):
    """Sends a termination signal at the n-th batch."""

    def __init__(self, when):
        self.when, self.count = when, 0

    def sample(self, generator, batch_size):
        import os
        import signal

        self.count += 1
        if self.count == self.when:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().sample(generator, batch_size)


# What a variant changes is arithmetic inside a loss, so the rest runs over the registry alone.
STAGES = [
    pytest.param(name, mode, stage, id=f"{name}-{mode}-{stage or 'joint'}")
    for name in KNOWN
    for mode in registry()[name].modes
    for stage in dict.fromkeys((None, *(stage.name for stage in registry()[name].stages[-1:])))
    if registry()[name].stages
]


@pytest.mark.parametrize(("name", "mode", "stage"), STAGES)
def test_stopping_and_going_on_equals_never_stopping_byte_for_byte(name, mode, stage, tmp_path):
    def trainer(folder, view=None):
        return make_trainer(name, mode, folder, view, stage)

    trainer(tmp_path / "whole").run()
    with pytest.raises(Interrupted) as stopped:
        trainer(tmp_path / "cut", Interrupting(2)).run()
    assert stopped.value.code == 128 + 15
    assert (tmp_path / "cut" / "resume").exists()
    with pytest.raises(Interrupted):
        trainer(tmp_path / "cut", Interrupting(3)).run()
    trainer(tmp_path / "cut").run()
    names = ["step3.safetensors", "checkpoint.safetensors", "metrics.csv"]
    assert sorted(p.name for p in (tmp_path / "cut").iterdir()) == sorted(names)
    for file in names:
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), (
            file
        )


def flipped_in_the_last_tensor(content):
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


def another_step(content):
    assert content.count(b'\\"step\\": 3}') == 1
    return content.replace(b'\\"step\\": 3}', b'\\"step\\": 2}')


@pytest.mark.parametrize(
    "damaged",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        flipped_in_the_last_tensor,  # only the hash tells of these two
        another_step,
    ],
)
def test_a_damaged_state_is_told_of_and_begun_anew(tmp_path, capfd, damaged):
    make_trainer("mac", "reward", tmp_path / "whole").run()
    with pytest.raises(Interrupted):
        make_trainer("mac", "reward", tmp_path / "cut", Interrupting(3)).run()
    state = tmp_path / "cut" / "resume"
    state.write_bytes(damaged(state.read_bytes()))
    make_trainer("mac", "reward", tmp_path / "cut").run()
    assert "starting afresh" in capfd.readouterr().err
    for file in ("checkpoint.safetensors", "metrics.csv"):
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


class Slow(View):
    """Takes twenty seconds a batch, by its own clock."""

    now = 0.0

    def sample(self, generator, batch_size):
        self.now += 20.0
        return super().sample(generator, batch_size)


def test_a_run_time_limit_costs_attempts_and_changes_no_byte(tmp_path):
    make_trainer("mac", "reward", tmp_path / "whole").run()
    for steps in (3, 6):
        view = Slow()
        # Of a limit of a minute 45 seconds are worked in: three batches.
        late = Deadline(1, clock=lambda view=view: view.now)
        trainer = make_trainer("mac", "reward", tmp_path / "cut", view, deadline=late)
        if steps < 6:
            with pytest.raises(Interrupted) as stopped:
                trainer.run()
            assert stopped.value.code == UNFINISHED
            assert checkpoint.load(tmp_path / "cut" / "resume")[1]["step"] == steps
        else:
            trainer.run()  # what ends in time is not called unfinished
    for file in ("step3.safetensors", "checkpoint.safetensors", "metrics.csv"):
        one, other = (tmp_path / folder / file for folder in ("whole", "cut"))
        assert one.read_bytes() == other.read_bytes(), file
    assert not (tmp_path / "cut" / "resume").exists()


def test_the_longest_save_must_still_fit_before_the_deadline(tmp_path):
    view = Slow()
    trainer = make_trainer(
        "mac", "reward", tmp_path, view, deadline=Deadline(1, clock=lambda: view.now)
    )
    trainer.saving_s = 10.0
    with pytest.raises(Interrupted):
        trainer.run()
    assert checkpoint.load(tmp_path / "resume")[1]["step"] == 2


class Notes:
    """A writer that remembers what it was given, by the step it was opened at."""

    def __init__(self):
        self.steps, self.ends = {}, []

    def open(self, step):
        self.now = self.steps.setdefault(step, [])
        return self

    def write(self, row):
        self.now.append(row["step"])

    def close(self, *, finished):
        self.ends.append(finished)


def failing(step):
    raise OSError("unreachable")


def test_writers_see_each_row_once_and_change_no_byte(tmp_path):
    make_trainer("mac", "reward", tmp_path / "plain").run()
    notes = Notes()

    def trainer(view=None):
        openers = [notes.open, failing]
        return make_trainer("mac", "reward", tmp_path / "seen", view, openers=openers)

    with pytest.raises(Interrupted):
        trainer(Interrupting(5)).run()
    trainer().run()
    assert notes.steps == {0: [2, 4], 5: [6]} and notes.ends == [False, True]
    for file in ("step3.safetensors", "checkpoint.safetensors", "metrics.csv"):
        one, other = (tmp_path / folder / file for folder in ("plain", "seen"))
        assert one.read_bytes() == other.read_bytes(), file


class Breaking(View):
    """Holds a reward that is not a number from the n-th batch on."""

    def __init__(self, when):
        self.when, self.count = when, 0

    def sample(self, generator, batch_size):
        batch = super().sample(generator, batch_size)
        self.count += 1
        if self.count >= self.when:
            batch.rewards[0] = np.nan
        return batch


@pytest.mark.parametrize("save_every_s", [0.0, 1e9], ids=["saved often", "never saved"])
def test_a_loss_that_is_not_finite_keeps_the_last_good_state(save_every_s, tmp_path):
    make_trainer("mac", "reward", tmp_path / "whole").run()
    cut = tmp_path / "cut"
    with pytest.raises(TrainingError, match=r"no longer finite by step [56] .*reward_loss=nan"):
        make_trainer("mac", "reward", cut, Breaking(5), save_every_s=save_every_s).run()
    assert not (cut / "checkpoint.safetensors").exists()
    assert (cut / "step3.safetensors").read_bytes() == (
        tmp_path / "whole" / "step3.safetensors"
    ).read_bytes()
    assert (cut / "resume").exists() == (save_every_s == 0.0)
    if save_every_s == 0.0:
        tensors, meta = checkpoint.load(cut / "resume")
        assert meta["step"] == 4
        assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    make_trainer("mac", "reward", cut).run()  # goes on from there, with data that are mended
    for file in ("checkpoint.safetensors", "metrics.csv"):
        assert (cut / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file
