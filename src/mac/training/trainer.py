"""The one training loop: batches, noise, updates, held-out checks, checkpoints, interruption."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from mac.components.part import Part
from mac.config.schema import OptimiserConfig
from mac.data.views import View
from mac.errors import CheckpointError, TrainingError
from mac.progress import progress
from mac.rng import stream, torch_seed
from mac.stopping import UNFINISHED, Deadline, Interrupted, signalled
from mac.training import checkpoint
from mac.training.ahead import ahead
from mac.training.capture import Captured
from mac.training.device import on_device, recorder
from mac.training.refresh import Draws, Refreshing
from mac.training.update import Update, adam, learning_rate
from mac.training.writers import Opener, writing
from mac.types import Batch


@dataclass(frozen=True)
class Settings:
    """What the loop needs to know beside the parts and the data.

    Attributes:
        name: the stage's name; random streams derive from (seed, name).
        seed: run seed.
        steps: number of updates.
        batch_size: rows of a batch.
        optimiser: learning rate, its decay, weight decay.
        device: where the update runs.
        checkpoints: steps at which weights are written; the last one is ``steps``.
        validate_every: steps between held-out checks; 0 for none.
        keep: ``last`` weights, or for each loss the weights ``best`` on held-out data.
        lagged_target: see :class:`mac.training.update.Update`.
        log_every: steps between rows of metrics.csv.
        save_every_s: seconds between saves of the resumable state.
        draw_ahead: draw each batch while the device is at work on the one before.
    """

    name: str
    seed: int
    steps: int
    batch_size: int
    optimiser: OptimiserConfig
    device: torch.device
    checkpoints: tuple[int, ...]
    validate_every: int = 0
    keep: str = "last"
    lagged_target: bool = True
    log_every: int = 100
    save_every_s: float = 60.0
    draw_ahead: bool = False


@dataclass
class _State:
    """What a resumed run must know: all else is a function of the step."""

    step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    best_tensors: dict[str, Tensor] = field(default_factory=dict)


def checkpoint_name(step: int, steps: int) -> str:
    """File name of the weights at a step; the last ones have a fixed name."""
    return "checkpoint.safetensors" if step == steps else f"step{step}.safetensors"


class Trainer:
    """Trains parts on a view of the data.

    Writes ``step<N>.safetensors``, ``checkpoint.safetensors`` and ``metrics.csv``. Step k's batch
    and noise are functions of (seed, stage, k), so a resumed run repeats the uninterrupted one byte
    for byte. The resumable state lives apart from the outputs, which a workflow deletes when a job
    fails. ``openers`` are of writers beside ``metrics.csv``.

    Training that a signal or the deadline ends saves its state and raises :class:`Interrupted`.
    """

    def __init__(
        self,
        parts: Mapping[str, Part],
        settings: Settings,
        view: View,
        held_out: View | None,
        directory: Path,
        resume: Path,
        openers: Sequence[Opener] = (),
        deadline: Deadline | None = None,
    ) -> None:
        self.parts, self.settings = dict(parts), settings
        self.view, self.held_out = view, held_out
        self.directory, self.resume, self.openers = directory, resume, openers
        for part in self.parts.values():
            part.to(settings.device)
        self.optimiser = adam(list(self.parts.values()), settings.optimiser)
        self.update = Update(
            list(self.parts.values()), self.optimiser, lagged_target=settings.lagged_target
        )
        self.step = Captured(self._step, recorder(settings.device))
        self.finite = torch.ones((), dtype=torch.bool, device=settings.device)  # all losses so far
        self.draws = self.update.draws(settings.batch_size)
        self.refreshing = Refreshing(
            self.parts,
            lambda step, *what: self.moved(self.drawn(self.view.at(step), *what)),
            self.noise,
        )
        self.generator = torch.Generator(settings.device)
        self.state = _State()
        self.deadline = deadline or Deadline()
        self.saving_s = 0.0  # the longest save so far

    def drawn(self, view: View, purpose: str, counter: int, rows: int | None = None) -> Batch:
        """Batch number ``counter``, where the data are; of the stage's size but for ``rows``."""
        s = self.settings
        generator = stream(s.seed, s.name, purpose, counter=counter)
        return view.sample(generator, rows or s.batch_size)

    def moved(self, batch: Batch) -> Batch:
        """Batch on the device."""
        return on_device(batch, self.settings.device)

    def held_out_inputs(self) -> tuple[Batch, dict[str, Tensor]]:
        """The fixed batch and noise of held-out checks."""
        batch = self.moved(self.drawn(self.held_out, "held-out", 0))
        return batch, self.noise("held-out noise", 0)

    def noise(self, purpose: str, step: int, draws: Draws | None = None) -> dict[str, Tensor]:
        """Noise of a step, on the device: an update's unless ``draws`` says."""
        s, draws = self.settings, self.draws if draws is None else draws
        self.generator.manual_seed(torch_seed(s.seed, s.name, purpose, counter=step))
        return {name: draw.sample(self.generator, s.device) for name, draw in draws.items()}

    def _step(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        metrics = self.update(batch, noise)
        for name, value in metrics.items():
            if name.endswith("_loss"):
                self.finite &= torch.isfinite(value)
        return metrics

    def run(self) -> None:
        """Train to the end, from the saved state where there is one."""
        s = self.settings
        self._restore()
        batches = ahead(
            lambda step: self.drawn(self.view.at(step), "batch", step),
            range(self.state.step, s.steps),
            enabled=s.draw_ahead,
        )
        saved = time.monotonic()
        with (
            signalled() as code,
            progress(s.steps, "step", s.name, initial=self.state.step) as bar,
            writing(
                self.directory / "metrics.csv", self.state.rows, self.state.step, self.openers
            ) as write,
        ):
            for step, batch in enumerate(batches, self.state.step + 1):
                self.refreshing.before(step)
                self.optimiser.set_learning_rate(learning_rate(s.optimiser, step - 1, s.steps))
                metrics = self.step(self.moved(batch), self.noise("noise", step - 1))
                self.state.step = step
                bar.update(1)
                stop = code()
                if not stop and self.deadline.near(2 * self.saving_s):
                    stop = UNFINISHED
                due = time.monotonic() - saved > s.save_every_s
                if stop or due or step % s.log_every == 0 or step in s.checkpoints:
                    self._check(metrics)
                if step % s.log_every == 0 or step == s.steps:
                    self._log(step, metrics)
                if s.validate_every and (step % s.validate_every == 0 or step == s.steps):
                    self._validate(step)
                if self.state.rows and self.state.rows[-1]["step"] == step:
                    write(self.state.rows[-1])
                if step in s.checkpoints:
                    self._write(step)
                if (stop or due) and step < s.steps:
                    self._save()
                    saved = time.monotonic()
                    if stop:
                        raise Interrupted(stop)
        self.resume.unlink(missing_ok=True)

    def _check(self, metrics: Mapping[str, Tensor]) -> None:
        if not bool(self.finite):
            values = ", ".join(f"{n}={float(v):.3g}" for n, v in metrics.items())
            name, step = self.settings.name, self.state.step
            raise TrainingError(
                f"{name}: a loss is no longer finite by step {step} ({values})",
                file=self.directory,
                remedy="the last good state is kept; lower the learning rate or check the data",
            )

    def _log(self, step: int, metrics: Mapping[str, Tensor]) -> None:
        self.state.rows.append({"step": step, **{n: float(v) for n, v in metrics.items()}})

    @torch.no_grad()
    def _validate(self, step: int) -> None:
        """Held-out losses on a fixed batch and noise.

        Remembers each loss's best weights if they are to be kept.
        """
        batch, noise = self.held_out_inputs()
        row = (
            self.state.rows[-1] if self.state.rows and self.state.rows[-1]["step"] == step else None
        )
        if row is None:
            row = {"step": step}
            self.state.rows.append(row)
        for part in self.parts.values():
            part.eval()
            for loss in part.losses(batch, noise):
                value = float(loss.value)
                row[f"held_out/{loss.name}"] = value
                if self.settings.keep == "best" and value < self.state.best.get(
                    loss.name, math.inf
                ):
                    self.state.best[loss.name] = value
                    modules = {f"best.{loss.name}.{i}": m for i, m in enumerate(loss.trains)}
                    tensors = checkpoint.module_tensors(modules)
                    self.state.best_tensors.update({n: t.clone() for n, t in tensors.items()})
            part.train()

    def _write(self, step: int) -> None:
        """Weights at a scheduled step; at the last one the kept weights and the optimiser."""
        s = self.settings
        last = step == s.steps
        if last and s.keep == "best":
            batch, noise = self.held_out_inputs()
            for part in self.parts.values():
                with torch.no_grad():
                    kept = [
                        loss for loss in part.losses(batch, noise) if loss.name in self.state.best
                    ]
                for loss in kept:
                    modules = {f"best.{loss.name}.{i}": m for i, m in enumerate(loss.trains)}
                    checkpoint.load_modules(modules, self.state.best_tensors, self.resume)
        tensors = checkpoint.module_tensors(self.parts)
        if last:
            tensors.update(self.optimiser.tensors())
        meta = {"stage": s.name, "seed": s.seed, "step": step}
        checkpoint.save(self.directory / checkpoint_name(step, s.steps), tensors, meta)

    def _save(self) -> None:
        """The resumable state."""
        start = time.monotonic()
        tensors = {
            **checkpoint.module_tensors(self.parts),
            **self.optimiser.tensors(),
            **self.refreshing.tensors(),
            **self.state.best_tensors,
        }
        meta = {"step": self.state.step, "rows": self.state.rows, "best": self.state.best}
        # Unlike an output, the state has no record of its bytes.
        checkpoint.save(self.resume, tensors, meta | {"digest": checkpoint.digest(tensors, meta)})
        self.saving_s = max(self.saving_s, time.monotonic() - start)

    def _restore(self) -> None:
        if not self.resume.is_file():
            return
        try:
            tensors, meta = checkpoint.load(self.resume, self.settings.device)
            if meta.pop("digest", None) != checkpoint.digest(tensors, meta):
                raise CheckpointError("damaged or changed", file=self.resume)
        except CheckpointError as error:
            print(f"starting afresh: {error}", file=sys.stderr, flush=True)
            return
        checkpoint.load_modules(self.parts, tensors, self.resume)
        self.optimiser.load(tensors, self.resume)
        self.refreshing.load(tensors, self.resume)
        best = {n: t for n, t in tensors.items() if n.startswith("best.")}
        self.state = _State(meta["step"], meta["rows"], meta["best"], best)
