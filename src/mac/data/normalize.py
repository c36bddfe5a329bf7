"""The one transform of states and goals: to about [-1, 1] by the range of a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from mac.data.place import Place
from mac.data.precision import widened
from mac.errors import ConfigError

MARGIN = 1e-3  # added to half ranges; so what never moved is multiplied by 1000 [F]


@dataclass(frozen=True)
class Normalizer:
    """``(x - centre) / scale``, with centre = (max + min) / 2 and scale = (max - min) / 2 + 0.001.

    Attributes:
        observation_centre: (O,) float32.
        observation_scale: (O,) float32.
        goal_centre: (G,) float32.
        goal_scale: (G,) float32.
    """

    observation_centre: np.ndarray
    observation_scale: np.ndarray
    goal_centre: np.ndarray
    goal_scale: np.ndarray

    @classmethod
    def from_statistics(
        cls, statistics: Mapping[str, Mapping[str, Mapping[str, list[float]]]], split: str
    ) -> Normalizer:
        """Transform by the statistics of a split.

        Args:
            statistics: split -> array -> ``min``, ``max`` -> one number a coordinate, as the store
                keeps them.
            split: ``validation`` as the original does [F], ``train`` [C], or ``none`` for the
                identity.
        """
        if split not in (*statistics, "none"):
            raise ConfigError(
                "unknown split",
                key="data.normalizer",
                found=split,
                expected=", ".join((*statistics, "none")),
            )
        parts = []
        for name in ("observations", "goals"):
            some = next(iter(statistics.values()))[name]
            if split == "none":
                parts += [
                    np.zeros(len(some["min"]), np.float32),
                    np.ones_like(some["min"], np.float32),
                ]
            else:
                low = np.asarray(statistics[split][name]["min"], np.float32)
                high = np.asarray(statistics[split][name]["max"], np.float32)
                parts += [(high + low) / 2, (high - low) / 2 + np.float32(MARGIN)]
        return cls(*parts)

    def at(self, place: Place) -> Self:
        """The transform of rows that are gathered at a place."""
        return type(self)(*map(place.array, vars(self).values()))

    def observations(self, observations: np.ndarray) -> np.ndarray:
        """Normalised states, (…, O) to (…, O), of whatever precision they are stored in."""
        return (widened(observations) - self.observation_centre) / self.observation_scale

    def goals(self, goals: np.ndarray) -> np.ndarray:
        """Normalised goals, (…, G) to (…, G); goals of width 0 pass through."""
        if goals.shape[-1] == 0:
            return goals
        return (goals - self.goal_centre) / self.goal_scale
