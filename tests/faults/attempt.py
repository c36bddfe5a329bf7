"""A `mac` command as a process of its own, forked from one that has torch already.

Hundreds of attempts would spend nearly all of their time importing it, and nearly all of the faults
would fall into that time. After the fork there is no difference: the command line, the working
folder, the process group and the way to die are those of a real call.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import util
from pathlib import Path

# What jobs import when they begin to work.
import mac.cli
import mac.data.build
import mac.data.collect
import mac.data.fetch
import mac.evaluation.run
import mac.report.render
import mac.stats.aggregate
import mac.training.run
from mac.planning import files

GRACE_S = 60.0  # for a process to end after a signal that it may answer


class Attempt:
    """A running command; the leader of a process group of its own.

    Args:
        arguments: of `mac`.
        folder: to work in.
        before: called in the new process before the command.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._log, self.returncode = tempfile.TemporaryFile(), None  # noqa: SIM115
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                self._become(folder, before)
                mac.cli.main(list(arguments), prog_name="mac")
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else int(error.code is not None)
            except BaseException:
                traceback.print_exc()
            finally:
                try:
                    util._exit_function()  # what multiprocessing does when a program ends
                    sys.stdout.flush()
                    sys.stderr.flush()
                finally:
                    os._exit(code)
        while os.getpgid(self.pid) != self.pid:  # until it leads its group, nobody can strike that
            time.sleep(0.001)

    def _become(self, folder: Path, before: Callable[[], None]) -> None:
        os.setsid()
        for number in (1, 2):
            os.dup2(self._log.fileno(), number)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(folder)
        sys.modules["__main__"] = mac.cli  # where multiprocessing finds the program
        files.read_config.cache_clear()
        before()

    def wait(self, timeout: float | None = None) -> int:
        """Exit code, negative for a signal; raises ``subprocess.TimeoutExpired``."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            ended, status = os.waitpid(self.pid, 0 if deadline is None else os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("mac", timeout)
            else:
                time.sleep(0.002)
        return self.returncode

    def ended(self) -> bool:
        """Whether the process is gone."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode is not None

    def said(self) -> tuple[int, str]:
        """Exit code and everything that the command said."""
        code = self.wait()
        self._log.seek(0)
        return code, self._log.read().decode()

    def strike(self, number: int, *, group: bool) -> str | None:
        """Send a signal to the process, or to all of its group, and see all of them end."""
        if not self.ended():
            (os.killpg if group else os.kill)(self.pid, number)
        try:
            self.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()
            return f"did not end within {GRACE_S:.0f} s of {signal.Signals(number).name}"
        deadline = time.monotonic() + GRACE_S
        while left := living(self.pid):
            if time.monotonic() > deadline:
                os.killpg(self.pid, signal.SIGKILL)
                return f"left processes behind: {left}"
            time.sleep(0.01)
        return None


def living(group: int) -> list[int]:
    """Processes of a group that have not ended; those that nobody has waited for yet have."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue  # it has gone meanwhile
        if int(process_group) == group and state not in "ZX":
            found.append(int(stat.parent.name))
    return found
