"""The ring of imagined rollouts against rollouts and a ring written out step by step."""

import pytest
import torch

from mac.components import imagined
from mac.components.dynamics import GaussianEnsemble
from mac.components.imagined import ModelBuffer
from mac.components.outcome import Outcome
from mac.components.part import flat
from mac.config.baselines import GaussianEnsembleConfig, ImaginedConfig
from mac.nets.mlp import Init
from mac.types import Batch, Spaces

CPU = torch.device("cpu")
STEPS, STARTS, RETAIN = 3, 7, 3


class Scene:
    """A buffer, its model and heads, and an acting rule that shows its goals and its noise."""

    def __init__(self, mode):
        width = 2 if mode == "goal" else 0
        self.spaces = Spaces(3, width, 2)
        config = GaussianEnsembleConfig(members=4, hidden_dims=(8,))
        self.model = GaussianEnsemble(self.spaces, config, Init(0))
        self.heads = Outcome(self.spaces, 1, (8,), Init(1))
        self.generator = torch.Generator().manual_seed(0)
        settings = {"rollout_length": STEPS, "starts": STARTS, "retain": RETAIN, "every": 4}
        self.config = ImaginedConfig(batch_size=5, **settings)
        self.buffer = ModelBuffer(self.spaces, self.config, self.model, self.heads, self.act)

    def act(self, observations, goals, noise):
        actions = 0.3 * observations[:, :2] + 0.5 * noise
        return (actions + goals if goals.shape[1] else actions)[:, None]

    def batch(self, rows):
        def normal(*shape):
            return torch.randn(rows, *shape, generator=self.generator)

        goals = self.spaces.goal_dim
        return Batch(
            observations=2.0 * normal(3),
            actions=normal(1, 2),
            rewards=normal(),
            masks=(normal() > 0).float(),
            next_observations=normal(3),
            value_goals=normal(goals),
            actor_goals=normal(goals),
        )

    def noise(self):
        draws = self.buffer.refreshes.draws
        return {name: draw.sample(self.generator, CPU) for name, draw in draws.items()}

    def refresh(self, count):
        """A refresh, and the same transitions written out."""
        batch, noise = self.batch(STARTS), self.noise()
        self.buffer.refresh(batch, noise, count)
        return self.transitions(batch, noise)

    @torch.no_grad()
    def transitions(self, batch, noise):
        """Rows of one refresh, step by step."""
        rows, states = [], batch.observations
        for h in range(STEPS):
            actions = self.act(states, batch.value_goals, noise["action_eps"][h])
            means, stds = self.model.distribution(states, actions)
            members, each = noise["members"][h], torch.arange(STARTS)
            following = means[members, each] + stds[members, each] * noise["dynamics_eps"][h]
            inputs = (states, batch.value_goals, flat(actions))
            success = (torch.sigmoid(self.heads.success(*inputs)) > 0.5).float()
            reward = success - 1.0 if self.spaces.goal_dim else self.heads.reward(*inputs)
            rows.append(
                Batch(
                    observations=states,
                    actions=actions,
                    rewards=reward,
                    masks=1.0 - success,
                    next_observations=following,
                    value_goals=batch.value_goals,
                    actor_goals=batch.actor_goals,
                )
            )
            states = following
        return join(rows)


def join(batches):
    names = vars(batches[0])
    return Batch(**{name: torch.cat([getattr(b, name) for b in batches]) for name in names})


def assert_equal(found, expected):
    for name, array in vars(expected).items():
        torch.testing.assert_close(getattr(found, name), array, msg=name)


@pytest.fixture(params=["reward", "goal"])
def scene(request):
    return Scene(request.param)


@pytest.mark.parametrize("block", [2, 4096])
def test_the_newest_rollouts_replace_the_oldest(scene, block, monkeypatch):
    monkeypatch.setitem(imagined.BLOCK_ROWS, "cpu", block)
    everything = torch.arange(RETAIN * STEPS * STARTS)
    made = [scene.refresh(count) for count in range(RETAIN)]
    assert_equal(scene.buffer.sample(everything), join(made))
    places = {name: tensor.data_ptr() for name, tensor in scene.buffer.memory().items()}
    for count in range(RETAIN, 2 * RETAIN + 1):
        made.append(scene.refresh(count))
        slots = [made[max(k for k in range(count + 1) if k % RETAIN == s)] for s in range(RETAIN)]
        assert_equal(scene.buffer.sample(everything), join(slots))
    # in place, for a recorded update reads these addresses
    assert places == {name: tensor.data_ptr() for name, tensor in scene.buffer.memory().items()}


def test_refreshes_use_the_weights_of_the_moment(scene):
    scene.refresh(0)
    with torch.no_grad():
        for parameter in [*scene.model.parameters(), *scene.heads.parameters()]:
            parameter.mul_(1.5)
    expected = scene.refresh(1)
    rows = torch.arange(STEPS * STARTS) + STEPS * STARTS
    assert_equal(scene.buffer.sample(rows), expected)


def test_rows_are_drawn_evenly(scene):
    (draw,) = scene.buffer.noise(99).values()
    assert (draw.shape, draw.kind, draw.below) == ((5,), "index", RETAIN * STEPS * STARTS)


def test_imagined_rows_follow_real_ones_and_pay(scene):
    for count in range(RETAIN):
        scene.refresh(count)
    real, numbers = scene.batch(4), torch.tensor([0, 62, 30, 30, 7])
    chosen = scene.buffer.sample(numbers)

    def penalty(rows, noise):
        assert not torch.is_grad_enabled()
        return rows.observations.norm(dim=-1) + noise["extra"]

    noise = {"imagined_rows": numbers, "extra": torch.tensor(2.0)}
    rows, cost = scene.buffer.join(real, noise, penalty, 0.1)
    assert torch.equal(cost, chosen.observations.norm(dim=-1) + 2.0)
    for name, array in vars(rows).items():
        assert torch.equal(array[:4], getattr(real, name)), name
        if name != "rewards":
            assert torch.equal(array[4:], getattr(chosen, name)), name
    assert torch.equal(rows.rewards[4:], chosen.rewards - 0.1 * cost)


def test_what_is_kept_is_no_weight(scene):
    assert scene.buffer.memory() == {}
    scene.refresh(0)
    assert scene.buffer.state_dict() == {} and scene.buffer.losses(scene.batch(2), {}) == []
    memory, again = scene.buffer.memory(), Scene("reward").buffer
    again.remember(memory)
    assert_equal(again.sample(torch.arange(9)), scene.buffer.sample(torch.arange(9)))
