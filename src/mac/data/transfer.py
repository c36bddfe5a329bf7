"""One file from one place: an address, with resumed and repeated requests, or a path here."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mac.errors import DataError
from mac.io import read_json, write_json

if TYPE_CHECKING:
    import requests
    from urllib3 import BaseHTTPResponse, Retry

PIECE_BYTES = 1 << 20
LATER = {408, 425, 429, 500, 502, 503, 504}  # a server that answers so may answer otherwise soon


class FailureError(Exception):
    """Why one place did not give a file.

    Args:
        reason: in a few words.
        silent: whether nothing answered at all, so that other files need not be asked for there.
    """

    def __init__(self, reason: str, *, silent: bool = False) -> None:
        super().__init__(reason)
        self.silent = silent


class _CutError(Exception):
    """A request that may go better the next time.

    Args:
        reason: in a few words.
        response: the answer, which may say how long to wait.
        silent: whether there was none.
    """

    def __init__(
        self, reason: str, response: BaseHTTPResponse | None = None, *, silent: bool = False
    ) -> None:
        super().__init__(reason)
        self.response, self.silent = response, silent


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        introductions: attempts to reach a host that has not answered yet.
        attempts: attempts in a row that get no piece farther, with a host that has.
        pause_s: half the seconds before the third attempt; they double each time.
        longest_pause_s: at most, whatever the server asks for.
        connect_s: to connect.
        silence_s: between two bytes.
        slow_bytes_per_s: less than this, over ``slow_after_s``, counts as a broken connection.
        slow_after_s: see there.
    """

    introductions: int = 3
    attempts: int = 10
    pause_s: float = 1.0
    longest_pause_s: float = 60.0
    connect_s: float = 10.0
    silence_s: float = 30.0
    slow_bytes_per_s: float = 1000.0
    slow_after_s: float = 60.0


def is_address(place: str) -> bool:
    """Whether a place is an address rather than a path."""
    return "://" in place


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def link(source: Path, output: Path) -> None:
    """Make ``output`` the same file as ``source``, or a copy on another file system.

    Nothing here ever writes into a data file, so the original is safe.
    """
    output.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), output)
    except OSError:
        shutil.copyfile(source, output)


class Web:
    """Files from addresses.

    Args:
        patience: with servers.
        stop: once set, transfers end at their next piece.
        count: is told of the bytes that arrive, and of those thrown away as negative numbers.
        tell: is told in a line why something is asked for again.
        width: transfers side by side.
    """

    def __init__(
        self,
        patience: Patience,
        stop: threading.Event,
        count: Callable[[int], None],
        tell: Callable[[str], None],
        width: int,
    ) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        self.patience, self.count, self._tell, self._stop = patience, count, tell, stop
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=width))
        self._met: set[str] = set()

    def size(self, address: str) -> int | None:
        """Bytes of a file by its server; None where that does not say.

        Raises:
            FailureError: it is not there, or nothing answers.
        """

        def ask() -> int | None:
            with self._open("HEAD", address, {}) as response:
                if response.status_code in (403, 405, 501):  # it may answer GET nevertheless
                    return None
                self._refuse(response)
                length = response.headers.get("Content-Length")
                return int(length) if length is not None and length.isdigit() else None

        return self._patiently(address, ask, lambda: False)

    def receive(self, address: str, part: Path, size: int | None = None) -> bool:
        """Complete the beginning of a file that ``part`` holds, or fetch all of it.

        What the server said of the file waits in ``<part>.tag``. Without ``size`` the rest is asked
        for only where that shows that the file has not changed.

        Args:
            address: of the file.
            part: where it is written.
            size: bytes of the file, if its content is known and will be verified: then a beginning
                from elsewhere serves as well.

        Returns:
            whether the file is made of several answers.

        Raises:
            FailureError: it cannot be had there.
        """
        begun = farthest = size_of(part)
        answers = 0

        def ask() -> None:
            nonlocal answers
            answers += 1
            self._receive(address, part, size)

        def advanced() -> bool:  # what is fetched a second time is no advance
            nonlocal farthest
            before, farthest = farthest, max(farthest, size_of(part))
            return farthest - before >= PIECE_BYTES

        self._patiently(address, ask, advanced)
        return begun > 0 or answers > 1

    def _patiently(self, address: str, ask: Callable[[], Any], advanced: Callable[[], bool]) -> Any:
        """What ``ask`` returns, asked again while attempts bring something new."""
        from urllib3.exceptions import InvalidHeader, MaxRetryError

        retry = None
        while True:
            try:
                return ask()
            except _CutError as cut:
                if retry is None or advanced():
                    retry = self._retry(address)
                try:
                    retry = retry.increment("GET", address, error=cut)
                except MaxRetryError:
                    raise FailureError(str(cut), silent=cut.silent) from None
                self._tell(f"{address}: {cut}; asked again")
                try:
                    retry.sleep(cut.response)
                except InvalidHeader:  # of the server's wish
                    retry.sleep()
                if self._stop.is_set():
                    raise FailureError("stopped") from None

    def _retry(self, address: str) -> Retry:
        from urllib3 import Retry

        patience = self.patience
        met = self._host(address) in self._met
        return Retry(
            total=(patience.attempts if met else patience.introductions) - 1,
            backoff_factor=patience.pause_s,
            backoff_max=patience.longest_pause_s,
            retry_after_max=patience.longest_pause_s,
        )

    @staticmethod
    def _host(address: str) -> str:
        return address.split("/")[2]

    def _open(self, method: str, address: str, headers: dict[str, str]) -> requests.Response:
        import requests

        try:
            response = self._session.request(
                method,
                address,
                headers={"Accept-Encoding": "identity", **headers},
                stream=True,
                timeout=(self.patience.connect_s, self.patience.silence_s),
                allow_redirects=True,
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _CutError(_reason(error), silent=True) from None
        except requests.RequestException as error:
            raise FailureError(_reason(error)) from None
        self._met.add(self._host(address))
        hops = [hop.url for hop in (*response.history, response)]
        if address.startswith("https:") and not all(hop.startswith("https:") for hop in hops):
            response.close()
            raise FailureError(f"a way that leaves https for {response.url}")
        return response

    @staticmethod
    def _refuse(response: requests.Response) -> None:
        """Raise for an answer that is not the file."""
        said = f"HTTP status {response.status_code}"
        if response.status_code in LATER:
            raise _CutError(said, response.raw)
        if response.status_code not in (200, 206):
            raise FailureError(said)

    def _receive(self, address: str, part: Path, size: int | None) -> None:
        """One request for what is missing."""
        tag = part.with_name(f"{part.name}.tag")
        have, known = size_of(part), _read(tag)
        same = known.get("source") == address and known.get("version")
        if have and have == size:
            return
        headers = {}
        if have and (same or (size is not None and have < size)):
            headers["Range"] = f"bytes={have}-"
            if same:
                headers["If-Range"] = known["version"]
        with self._open("GET", address, headers) as response:
            if response.status_code == 416 and same:  # nothing beyond what is here
                if have == known.get("total"):
                    return
                part.unlink()
                self.count(-have)
                raise _CutError("HTTP status 416")
            self._refuse(response)
            kept = have if response.status_code == 206 else 0
            if response.status_code == 206 and not _continues(response, have):
                raise FailureError("it answers with another part of the file than is asked for")
            length = response.headers.get("Content-Length", "")
            total = kept + int(length) if length.isdigit() else None
            if size is not None and total not in (None, size):
                raise FailureError(f"{total} bytes instead of {size}")
            version = response.headers.get("ETag") or response.headers.get("Last-Modified")
            if version is not None and version.startswith("W/"):
                version = None
            write_json(tag, {"source": address, "total": total, "version": version})
            self.count(kept - have)
            with part.open("ab" if kept else "wb") as handle:
                self._pour(response, handle)
        if total is not None and size_of(part) < total:
            raise _CutError(f"{size_of(part)} of {total} bytes arrived")

    def _pour(self, response: requests.Response, handle: Any) -> None:
        """Write the body as it comes."""
        from urllib3.exceptions import HTTPError

        raw = response.raw
        raw.enforce_content_length = False  # what is missing is asked for, not mourned
        since, came = time.monotonic(), 0
        try:
            while piece := raw.read1(PIECE_BYTES):
                handle.write(piece)
                self.count(len(piece))
                if self._stop.is_set():
                    raise FailureError("stopped")
                came += len(piece)
                if (passed := time.monotonic() - since) >= self.patience.slow_after_s:
                    if came < passed * self.patience.slow_bytes_per_s:
                        raise _CutError(f"only {came / passed:.0f} bytes per second")
                    since, came = time.monotonic(), 0
        except HTTPError as error:  # what came before is kept
            raise _CutError(_reason(error)) from None


def _continues(response: requests.Response, start: int) -> bool:
    """Whether a partial answer begins where the file here ends."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == start


def _read(tag: Path) -> dict[str, Any]:
    with suppress(DataError):  # absent, or torn by a crash
        if isinstance(content := read_json(tag), dict):
            return content
    return {}


def _reason(error: Exception) -> str:
    """The innermost cause, which says what happened without naming library classes."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    return str(reason if reason is not None else error).split(": ", 1)[-1]
