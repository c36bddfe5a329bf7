"""Released files, from the first place that has them right; there only when complete and checked.

Two kinds of file are never mistaken for data: what is still arriving waits in ``.<name>.part``
beside the output, and what arrived wrong is moved to the folder ``wrong``.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mac.data.manifest import Facts, Manifest, facts
from mac.data.transfer import FailureError, Patience, Web, is_address, link, size_of
from mac.errors import DataError, SystemFault, UnreachableError
from mac.io import read_json, write_json
from mac.locks import alone
from mac.progress import Progress, progress, size

CHECKED = ".checked.json"  # what has been checked already, while it stays as it is
NAMED = 3  # files that a message lists


@dataclass
class Wanted:
    """A file that shall be there.

    Attributes:
        output: where.
        places: addresses and paths in the order in which they are tried.
        told: those of them that the user names for this call.
        size: bytes, once known.
        reasons: by place, why it was not had from there.
    """

    output: Path
    places: Sequence[str]
    told: Sequence[str] = ()
    size: int | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def part(self) -> Path:
        """What has arrived so far."""
        return self.output.with_name(f".{self.output.name}.part")

    @property
    def taken(self) -> Path:
        """A user's own file, until it is known to be right; never written to."""
        return self.output.with_name(f".{self.output.name}.taken")

    def forget(self) -> None:
        """Remove what has arrived, and what a killed process left."""
        for path in (self.part, self.part.with_name(f"{self.part.name}.tag"), self.taken):
            path.unlink(missing_ok=True)

    def sought(self) -> str:
        """Where it was not had, and why: in full where the user says that it is, if he does."""

        def listed(reasons: Mapping[str, str]) -> str:
            return "; ".join(f"{place} ({reason})" for place, reason in reasons.items())

        mine = {place: self.reasons[place] for place in self.told}
        others = {place: why for place, why in self.reasons.items() if place not in mine}
        if not mine:
            return f"sought in {listed(others)}"
        nor = {_host(place): why for place, why in others.items()}
        return f"not where you say: {listed(mine)}" + (f"; nor in {listed(nor)}" if nor else "")

    def left(self) -> list[str]:
        """Places that have not failed."""
        return [place for place in self.places if place not in self.reasons]


def fetch(
    files: Sequence[Wanted],
    check: Callable[[Path], None],
    manifest: Manifest,
    *,
    parallel: int = 4,
    patience: Patience | None = None,
    remedy: Callable[[], str] = lambda: "name another place for it",
) -> dict[str, Facts]:
    """Get every file that is not there yet; all of them lie in one folder.

    Before the first byte all places are asked for the size of each file, so what is nowhere and
    what has no room is known at once. Interrupted or repeated, it goes on where it stopped.

    Args:
        files: what is wanted.
        check: raises DataError for a file whose content is not what its format promises.
        manifest: what is known of the files.
        parallel: transfers side by side.
        patience: with servers.
        remedy: says what helps where a file is nowhere.

    Returns:
        size and SHA-256 of each file by name.

    Raises:
        UnreachableError: files that no place gave, with the reason of each place.
        SystemFault: the disk has no room for them.
    """
    folder = files[0].output.parent
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / ".fetch.lock"):
        return _Fetch(folder, check, manifest, parallel, patience or Patience()).run(files, remedy)


class _Fetch:
    """One call of :func:`fetch`."""

    def __init__(
        self,
        folder: Path,
        check: Callable[[Path], None],
        manifest: Manifest,
        parallel: int,
        patience: Patience,
    ) -> None:
        self.folder, self.check, self.manifest, self.parallel = folder, check, manifest, parallel
        self.stop, self.silent = threading.Event(), {}
        self.counting, self.checking = threading.Lock(), threading.Lock()
        self.bar: Progress | None = None
        self.web = Web(patience, self.stop, self.count, say, parallel)
        self.checked: dict[str, Any] = {}
        self.new: list[str] = []
        with suppress(DataError):
            self.checked = dict(read_json(folder / CHECKED))

    def run(self, files: Sequence[Wanted], remedy: Callable[[], str]) -> dict[str, Facts]:
        try:
            missing = [file for file in files if not self.present(file)]
            if missing:
                self.bring(missing, remedy)
        finally:
            if self.new:
                say(
                    f"{self.folder.name}: nobody had seen {named(self.new)} before; trusted now, "
                    f"and recorded in {self.manifest.paths[0]}: commit it, and no other content "
                    "counts"
                )
        return {file.output.name: self.known(file.output) for file in files}

    def bring(self, files: Sequence[Wanted], remedy: Callable[[], str]) -> None:
        """Find, then get what is missing."""
        self.side_by_side(self.find, files)
        self.refuse_missing(files, remedy)
        self.refuse_full(files)
        total = sum(file.size or 0 for file in files)
        begun = sum(size_of(file.part) for file in files)
        with progress(total, "bytes", f"fetch {self.folder.name}", begun) as self.bar:
            self.side_by_side(self.get, files)
        self.refuse_missing(files, remedy)

    def side_by_side(self, work: Callable[[Wanted], None], files: Sequence[Wanted]) -> None:
        """Do ``work`` for all files, a few at a time; the first error ends the others soon."""
        with ThreadPoolExecutor(self.parallel) as pool:
            try:
                for future in as_completed([pool.submit(work, file) for file in files]):
                    future.result()
            except BaseException:
                self.stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def count(self, amount: int) -> None:
        """Show that bytes have arrived."""
        with self.counting:
            if self.bar is not None:
                self.bar.update(amount)

    def known(self, path: Path) -> Facts:
        """Facts of a checked file, without the time at which they held."""
        return {key: self.checked[path.name][key] for key in ("bytes", "sha256")}

    def present(self, file: Wanted) -> bool:
        """Whether the file is there and right; a wrong one, put there by hand, is set aside."""
        output = file.output
        if not output.exists():
            return False
        noted, now = self.checked.get(output.name), output.stat()
        same = noted and [noted["bytes"], noted["mtime_ns"]] == [now.st_size, now.st_mtime_ns]
        sound = same and self.manifest.differs(output.name, self.known(output)) is None
        if not sound and (wrong := self.accept(output, output)) is not None:
            self.set_aside(output, output, wrong, "the folder itself")
            return False
        file.forget()
        return True

    def find(self, file: Wanted) -> None:
        """Ask for the size of a file, up to the first place that has it."""
        known = self.manifest.get(file.output.name)
        for place in file.left():
            try:
                file.size = self.ask(place)
                if known and file.size not in (None, known["bytes"]):
                    raise FailureError(f"{file.size} bytes instead of {known['bytes']}")
                break
            except FailureError as failure:
                self.failed(file, place, failure)
        if known:
            file.size = known["bytes"]

    def ask(self, place: str) -> int | None:
        if not is_address(place):
            if not Path(place).is_file():
                raise FailureError("no such file")
            return Path(place).stat().st_size
        self.refuse_silent(place)
        return self.web.size(place)

    def get(self, file: Wanted) -> None:
        """Get a file from the first place that gives it right."""
        for place in file.left():
            try:
                if is_address(place):
                    self.download(file, place)
                else:
                    self.take(file, place)
                return
            except FailureError as failure:
                self.failed(file, place, failure)
                if self.stop.is_set():
                    return
                say(f"given up: {place} ({failure})")

    def download(self, file: Wanted, place: str) -> None:
        """Get a file from an address.

        A wrong file that is made of several answers may be wrong by the joint alone, so it is
        fetched once more.
        """
        self.refuse_silent(place)
        known = self.manifest.get(file.output.name)
        for again in (False, True):
            try:
                joined = self.web.receive(place, file.part, known and known["bytes"])
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(file.part)) from None
            with file.part.open("rb") as handle:
                os.fsync(handle.fileno())
            if (wrong := self.accept(file.part, file.output)) is None:
                file.forget()
                return
            self.count(-size_of(file.part))
            self.set_aside(file.part, file.output, wrong, place)
            file.forget()
            if again or not joined:
                raise FailureError(wrong)

    def take(self, file: Wanted, place: str) -> None:
        """Get a file from a folder, where it stays."""
        begun = size_of(file.part)
        try:
            link(Path(place), file.taken)
            if (wrong := self.accept(file.taken, file.output)) is not None:
                raise FailureError(wrong)
        except (FileNotFoundError, PermissionError) as error:
            raise FailureError(error.strerror) from None
        finally:
            file.taken.unlink(missing_ok=True)
        file.forget()
        self.count(size_of(file.output) - begun)

    def accept(self, path: Path, output: Path) -> str | None:
        """Let a right file become the output; returns what is wrong with one that is not."""
        with self.checking:  # one file in memory at a time
            found = facts(path)
            if wrong := self.manifest.differs(output.name, found):
                return wrong
            try:
                self.check(path)
            except DataError as error:
                return str(error).removeprefix(f"{path}: ")
            if self.manifest.remember(output.name, found):
                self.new.append(output.name)
            if wrong := self.manifest.differs(output.name, found):  # another process was first
                return wrong
            path.replace(output)
            self.checked[output.name] = {**found, "mtime_ns": output.stat().st_mtime_ns}
            write_json(self.folder / CHECKED, self.checked)
        return None

    def set_aside(self, path: Path, output: Path, wrong: str, place: str) -> None:
        """Keep a wrong file where nothing reads it, under a name that its content gives."""
        aside = self.folder / "wrong" / f"{output.name}.{facts(path)['sha256'][:12]}"
        aside.parent.mkdir(exist_ok=True)
        path.replace(aside)
        say(f"set aside: {aside}, from {place} ({wrong})")

    def failed(self, file: Wanted, place: str, failure: FailureError) -> None:
        file.reasons[place] = str(failure)
        if failure.silent:
            self.silent[_host(place)] = str(failure)

    def refuse_silent(self, place: str) -> None:
        """Do not wait again for a host that did not answer."""
        if reason := self.silent.get(_host(place)):
            raise FailureError(reason)

    def refuse_missing(self, files: Sequence[Wanted], remedy: Callable[[], str]) -> None:
        nowhere = [file for file in files if not file.left() and not file.output.exists()]
        if nowhere:
            names = named([file.output.name for file in nowhere])
            raise UnreachableError(
                f"{names} cannot be had; {nowhere[0].sought()}", file=self.folder, remedy=remedy()
            )

    def refuse_full(self, files: Sequence[Wanted]) -> None:
        """Say what is about to be fetched; refuse what there is no room for."""
        device = self.folder.stat().st_dev
        needed = 0
        for file in files:
            first = file.left()[0]
            here = not is_address(first) and Path(first).stat().st_dev == device
            needed += 0 if here else max(0, (file.size or 0) - size_of(file.part))
        free = shutil.disk_usage(self.folder).free
        unknown = sum(file.size is None for file in files)
        origins = dict.fromkeys(_host(file.left()[0]) for file in files)
        say(
            f"fetch {self.folder.name}: {size(needed)} to bring, files: {len(files)}"
            + (f" ({unknown} of unknown size)" if unknown else "")
            + f", from {', '.join(origins)}; {size(free)} free"
        )
        if needed > free:
            raise SystemFault(
                "no room is left on the disk for what is to be fetched",
                file=self.folder,
                found=f"{size(free)} free",
                expected=size(needed),
                remedy="free some, or make data/raw a link to a larger disk",
            )


def named(names: Sequence[str]) -> str:
    """The first few names, and how many there are besides."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(sorted(names)[:NAMED]) + more


def say(line: str) -> None:
    """A line for the log."""
    print(line, file=sys.stderr, flush=True)


def _host(place: str) -> str:
    """What many files share: the server, or the folder."""
    return place.split("/")[2] if is_address(place) else str(Path(place).parent)
