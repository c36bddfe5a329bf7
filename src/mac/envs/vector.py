"""Evaluation episodes side by side: a fixed number of slots, each with its own seeded episode.

The order of slots, the padding of finished ones and every number are the same whatever the number
of worker processes: a slot's episode is a pure function of its seed, its task and the actions it
was given.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from mac.envs.registry import MODES, EnvSpec, Simulation, Transition, adapter
from mac.errors import ConfigError, ShapeError, SystemFault


@dataclass(frozen=True)
class Step:
    """What all slots returned for one action each; slots that are not live hold zeros.

    Attributes:
        observations: (W, O) float32.
        rewards: (W,) float64.
        terminated: (W,) bool, the episode ended by itself.
        truncated: (W,) bool, the step limit was reached.
        successes: (W,) bool, the task's own flag.
    """

    observations: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    successes: np.ndarray


class Episodes:
    """W simulators that start and step together.

    Args:
        spec: the environment.
        mode: ``reward`` or ``goal``; in reward mode goals have width 0.
        width: W, number of slots; part of what is computed, since a policy sees batches of W.
        workers: processes among which the slots are divided; 1 stays in this process.
    """

    def __init__(self, spec: EnvSpec, mode: str, width: int, workers: int = 1) -> None:
        if mode not in MODES:
            raise ConfigError("unknown", key="mode", found=mode, expected=" or ".join(MODES))
        for key, value in (("width", width), ("workers", workers)):
            if value < 1:
                raise ConfigError("too small", key=key, found=value, expected=">= 1")
        self.spec, self.mode, self.width = spec, mode, width
        self._goal_dim = spec.goal_dim if mode == "goal" else 0
        workers = min(workers, width)
        groups = [range(worker, width, workers) for worker in range(workers)]
        kind = _Here if workers == 1 else _Worker
        self._groups = [(group, kind(spec, mode)) for group in groups]

    def __enter__(self) -> Episodes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reset(
        self, seeds: Sequence[int | None], tasks: Sequence[int | None]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Start an episode in every slot whose seed is not None.

        Args:
            seeds: W seeds; None leaves a slot empty.
            tasks: W task numbers from 1.

        Returns:
            observations (W, O) and goals (W, G), float32; zeros in empty slots.
        """
        if len(seeds) != self.width or len(tasks) != self.width:
            raise ShapeError(
                "one seed and one task per slot",
                found=f"{len(seeds)} and {len(tasks)}",
                expected=self.width,
            )
        calls = {
            slot: (int(seeds[slot]), int(tasks[slot]))
            for slot in range(self.width)
            if seeds[slot] is not None
        }
        observations = np.zeros((self.width, self.spec.observation_dim), np.float32)
        goals = np.zeros((self.width, self._goal_dim), np.float32)
        for slot, (observation, goal) in self._call("reset", calls).items():
            observations[slot], goals[slot] = observation, goal
        return observations, goals

    def step(self, actions: np.ndarray, live: np.ndarray | None = None) -> Step:
        """Step the live slots.

        Args:
            actions: (W, A); those of other slots are ignored.
            live: (W,) bool, all by default.
        """
        if actions.shape != (self.width, self.spec.action_dim):
            raise ShapeError(
                "one action per slot",
                found=actions.shape,
                expected=(self.width, self.spec.action_dim),
            )
        slots = range(self.width) if live is None else np.flatnonzero(live).tolist()
        step = Step(
            observations=np.zeros((self.width, self.spec.observation_dim), np.float32),
            rewards=np.zeros(self.width),
            terminated=np.zeros(self.width, bool),
            truncated=np.zeros(self.width, bool),
            successes=np.zeros(self.width, bool),
        )
        for slot, one in self._call("step", {slot: (actions[slot],) for slot in slots}).items():
            step.observations[slot] = one.observation
            step.rewards[slot] = one.reward
            step.terminated[slot] = one.terminated
            step.truncated[slot] = one.truncated
            step.successes[slot] = one.success
        return step

    def picture(self, slot: int, size: int) -> np.ndarray:
        """What a slot looks like now: (size, size, 3) uint8.

        Raises:
            DeviceError: where this machine cannot draw it.
        """
        return self._call("picture", {slot: (size,)})[slot]

    def close(self) -> None:
        """End the workers and free the simulators."""
        for _, group in self._groups:
            group.close()
        self._groups = []

    def _call(self, method: str, calls: dict[int, tuple[Any, ...]]) -> dict[int, Any]:
        """Send every group its slots' calls, then gather the results."""
        busy = []
        for slots, group in self._groups:
            mine = {slot: calls[slot] for slot in slots if slot in calls}
            if mine:
                group.send(method, mine)
                busy.append(group)
        results: dict[int, Any] = {}
        for group in busy:
            results.update(group.receive())
        return results


class _Here:
    """Slots simulated in this process."""

    def __init__(self, spec: EnvSpec, mode: str) -> None:
        self._spec, self._mode = spec, mode
        self._simulations: dict[int, Simulation] = {}
        self._results: dict[int, Any] = {}

    def send(self, method: str, calls: dict[int, tuple[Any, ...]]) -> None:
        """Run ``method`` of the slots' simulations."""
        self._results = {
            slot: self._run(slot, method, arguments) for slot, arguments in calls.items()
        }

    def receive(self) -> dict[int, Any]:
        """Results of the last call by slot."""
        return self._results

    def close(self) -> None:
        """Free the simulators."""
        for simulation in self._simulations.values():
            simulation.close()
        self._simulations = {}

    def _run(
        self, slot: int, method: str, arguments: tuple[Any, ...]
    ) -> Transition | tuple[np.ndarray, np.ndarray]:
        if slot not in self._simulations:
            self._simulations[slot] = adapter(self._spec).make(self._spec, self._mode)
        return getattr(self._simulations[slot], method)(*arguments)


class _Worker:
    """Slots simulated in a process of their own."""

    def __init__(self, spec: EnvSpec, mode: str) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, spec, mode), daemon=True)
        self._process.start()
        theirs.close()

    def send(self, method: str, calls: dict[int, tuple[Any, ...]]) -> None:
        """Ask the process to run ``method`` of the slots' simulations."""
        try:
            self._pipe.send((method, calls))
        except OSError:
            raise self._died() from None

    def receive(self) -> dict[int, Any]:
        """Results by slot; raises what the process raised."""
        try:
            result = self._pipe.recv()
        except (EOFError, OSError):
            raise self._died() from None
        if isinstance(result, Exception):
            raise result
        return result

    def _died(self) -> SystemFault:
        self._process.join()
        return SystemFault(
            "an evaluation worker died",
            found=f"exit code {self._process.exitcode}",
            remedy="run it again; if it was killed (-9) for want of memory, with less of "
            "compute.workers or evaluate.batch_width",
        )

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()


def _serve(pipe: Connection, spec: EnvSpec, mode: str) -> None:
    """Answer calls until the pipe closes; the parent decides what an interrupt means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    here = _Here(spec, mode)
    with suppress(EOFError, OSError):  # the parent closed the pipe, perhaps without an answer
        while True:
            method, calls = pipe.recv()
            try:
                here.send(method, calls)
                result: Any = here.receive()
            except Exception as error:  # the parent raises it
                result = error
            pipe.send(result)
    here.close()
