"""A tiny environment, its vector form and a linear policy: everything can be followed by hand."""

import numpy as np
import torch

from mac.envs.vector import Step

LIMIT = 17  # steps


class Walk:
    """Position moves by 0.3 action; success within 0.25 of the task's goal, reward -distance."""

    def __init__(self, ends=True):
        self.ends = ends  # at success
        self.history = 0  # episodes must not depend on it

    def reset(self, seed, task):
        self.history += 1
        rng = np.random.default_rng(seed)
        self.position = rng.uniform(-1, 1, 2).astype(np.float32)
        self.goal = np.array([task, -task], np.float32) * 0.4
        self.wind = rng.normal(0, 0.05, (LIMIT, 2)).astype(np.float32)
        self.time = 0
        return self.position.copy(), self.goal.copy()

    def step(self, action):
        assert action.shape == (2,) and np.abs(action).max() <= 1
        self.position = self.position + 0.3 * action.astype(np.float32) + self.wind[self.time]
        self.time += 1
        distance = float(np.linalg.norm(self.position - self.goal))
        success = distance < 0.25
        return self.position.copy(), -distance, success and self.ends, self.time == LIMIT, success


class Walks:
    """Vector form; a padded slot returns garbage, which must reach nothing."""

    def __init__(self, width, ends=True):
        self.width = width
        self.slots = [Walk(ends) for _ in range(width)]

    def reset(self, seeds, tasks):
        rows = [
            (np.full(2, 7, np.float32), np.full(2, 9, np.float32))
            if seed is None
            else walk.reset(seed, task)
            for walk, seed, task in zip(self.slots, seeds, tasks, strict=True)
        ]
        return tuple(np.stack(column) for column in zip(*rows, strict=True))

    def step(self, actions, live):
        rows = [
            walk.step(action) if alive else (np.full(2, 1e3, np.float32), 1e3, True, False, True)
            for walk, action, alive in zip(self.slots, actions, live, strict=True)
        ]
        return Step(*(np.array(column) for column in zip(*rows, strict=True)))

    def close(self):
        pass


class Normalizer:
    """Halves observations and negates goals, so that forgetting it shows."""

    def observations(self, x):
        return x / 2

    def goals(self, x):
        return -x


class Pilot:
    """Steers towards the goal with noise; the plan's later actions repeat with decay."""

    def __init__(self, chunk_length=3, gain=1.5, noisy=True, valued=True):
        self.chunk_length, self.gain, self.valued = chunk_length, gain, valued
        self.act_noise = {"z": (2,), "a": (1, 2)} if noisy else {}
        self.batches = []

    def act(self, observations, goals, noise):
        self.batches.append(tuple(observations.shape))
        mean = self.gain * (-goals - 2 * observations)
        for draw in (noise["z"], noise["a"][:, 0]) if noise else ():
            mean = mean + 0.2 * draw
        decay = 0.8 ** torch.arange(self.chunk_length)
        return mean[:, None] * decay[:, None]

    def value(self, observations, goals):
        return -(2 * observations + goals).norm(dim=1) if self.valued else None
