"""A counted episode once more, with pictures: what a trained agent does, as a small animation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from mac.envs.vector import Episodes, Step
from mac.errors import DeviceError
from mac.evaluation.episodes import Episode, Player, Rules, play

SIZE = 200  # pixels
PICTURES = 40
PICTURE_MS = 100
REST_MS = 1500  # on the last picture, before the film starts again
LIMIT = 300_000  # bytes


class Filmed(Episodes):
    """Simulators of which the first is filmed: its start, every few steps, and its end.

    Pictures are taken until one fails; ``failure`` says why, and the episode goes on without.
    """

    def __init__(self, *arguments: Any, every: int) -> None:
        super().__init__(*arguments)
        self.every, self.steps = every, 0
        self.pictures: list[np.ndarray] = []
        self.failure = ""

    def reset(
        self, seeds: Sequence[int | None], tasks: Sequence[int | None]
    ) -> tuple[np.ndarray, np.ndarray]:
        """As in :class:`Episodes`."""
        started = super().reset(seeds, tasks)
        self._take()
        return started

    def step(self, actions: np.ndarray, live: np.ndarray | None = None) -> Step:
        """As in :class:`Episodes`."""
        step = super().step(actions, live)
        self.steps += 1
        if self.steps % self.every == 0 or step.terminated[0] or step.truncated[0]:
            self._take()
        return step

    def _take(self) -> None:
        if not self.failure:
            try:
                self.pictures.append(self.picture(0, SIZE))
            except DeviceError as error:
                self.failure = str(error)


def film(
    spec: Any, mode: str, width: int, player: Player, episode: Episode, rules: Rules
) -> tuple[dict[str, Any], bytes | None, str]:
    """Play an episode as its evaluation does, up to its limit, and film it.

    Args:
        spec: the environment.
        mode: ``reward`` or ``goal``.
        width: slots of the evaluation, which are part of what is computed; all but one stay empty.
        player: of the evaluated checkpoint.
        episode: the one of the first slot.
        rules: those of the evaluation.

    Returns:
        its row, the animation (WebP), and why there is none where it is None.
    """
    every = -(-spec.max_episode_steps // PICTURES)
    with Filmed(spec, mode, width, every=every) as environments:
        (row,) = play(environments, player, [episode], replace(rules, value_horizon=0))
        if environments.failure:
            return row, None, environments.failure
        return row, animation(environments.pictures), ""


def animation(pictures: Sequence[np.ndarray]) -> bytes:
    """Pictures (size, size, 3) as an animated WebP that is small enough for a page."""
    first, *others = map(Image.fromarray, pictures)
    durations = [PICTURE_MS] * len(others) + [REST_MS]
    for quality in (80, 50, 20):
        file = BytesIO()
        first.save(
            file,
            "WEBP",
            save_all=True,
            append_images=others,
            duration=durations,
            loop=0,
            quality=quality,
        )
        if file.tell() < LIMIT:
            break
    return file.getvalue()
