"""TensorBoard and Weights & Biases, for watching a training; both packages are optional."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mac.errors import ConfigError
from mac.training.writers import Opener, Row, Writer

LOGS = Path("logs")
REMEDY = "pip install -e '.[writers]' -c constraints.txt"


class TensorBoard:
    """Event files, one curve for each quantity.

    Args:
        folder: of the event files; those of an earlier process stay, and are read first.
        step: last step that counts of what they hold.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def write(self, row: Row) -> None:
        """Add one point to each curve."""
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(row["step"]))

    def close(self, *, finished: bool) -> None:
        """Flush and close the file."""
        del finished  # event files know no end
        self._writer.close()


class WandB:
    """A run of Weights & Biases, kept on this machine unless ``WANDB_MODE`` says otherwise.

    Its id follows from its name, so that a training that goes on is the same run there. Steps that
    it has seen already are left out by the service; their values would be the same.

    Args:
        folder: for its files.
        step: last step of what was logged before; 0 starts the run anew.
        name: of the run.
        config: the resolved configuration.
    """

    def __init__(self, folder: Path, step: int, name: str, config: Mapping[str, Any]) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)  # it would go elsewhere without a word
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "mac"),
            name=name,
            id=hashlib.sha256(name.encode()).hexdigest()[:16],
            resume="allow" if step else None,
            config=dict(config),
            dir=str(folder),
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=wandb.Settings(console="off", silent=True),  # the terminal stays ours
        )

    def write(self, row: Row) -> None:
        """Log a row at its step."""
        self._run.log({n: v for n, v in row.items() if n != "step"}, step=int(row["step"]))

    def close(self, *, finished: bool) -> None:
        """End the run; an interrupted one counts as failed until it goes on."""
        self._run.finish(exit_code=0 if finished else 1)


PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb"}


def openers(
    names: Sequence[str], artefact: Path, config: Mapping[str, Any], logs: Path = LOGS
) -> list[Opener]:
    """Openers of the writers called ``names``, whose files lie in ``logs/<writer>/<artefact>``.

    Args:
        names: values of ``compute.writers``.
        artefact: folder of the training's outputs, the name under which it is found again.
        config: the resolved configuration.
        logs: where logs lie.

    Raises:
        ConfigError: a package is not installed.
    """

    def opener(name: str) -> Opener:
        folder = logs / name / artefact

        def open_one(step: int) -> Writer:
            if name == "tensorboard":
                return TensorBoard(folder, step)
            return WandB(folder, step, artefact.as_posix(), config)

        return open_one

    for name in names:
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise ConfigError(
                f"the package {PACKAGES[name]} is not installed",
                key="compute.writers",
                found=name,
                remedy=f"{REMEDY}, or leave it out",
            )
    return [opener(name) for name in names]
