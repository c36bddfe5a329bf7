"""Plain download of released files: resumed, checked for size, there only when complete."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mac.errors import MissingDataError, UnreachableError
from mac.io import atomic_write_text
from mac.progress import progress

ATTEMPTS = 5
PAUSE_S = 2.0
TIMEOUT_S = (10.0, 60.0)  # to connect, between two pieces
PIECE_BYTES = 1 << 20


def fetch(sources: Sequence[str], outputs: Sequence[Path], *, pause: float = PAUSE_S) -> None:
    """Download every source that is not there yet.

    What has arrived waits in ``.<name>.part`` beside the output, together with the server's version
    tag and the hash of each piece; a later call asks only for the rest, which begins at the first
    piece that is damaged, and starts afresh when the file has changed on the server.

    Args:
        sources: addresses.
        outputs: files, one for each source.
        pause: seconds before the first new attempt after a broken connection; they double each
            time.

    Raises:
        MissingDataError: the server does not have the file.
        UnreachableError: the server cannot be reached.
    """
    for source, output in zip(sources, map(Path, outputs), strict=True):
        if not output.exists():
            _fetch(source, output, pause)


def _fetch(source: str, output: Path, pause: float) -> None:
    """Download one file, trying again while attempts bring something new."""
    import requests

    output.parent.mkdir(parents=True, exist_ok=True)
    part, tag = _part(output), _tag(output)
    _keep_whole_pieces(part, tag)
    failures = 0
    while True:
        before = _bytes(part)
        try:
            _receive(source, output)
            break
        except (requests.ConnectionError, requests.Timeout) as error:
            failures = 1 if _bytes(part) > before else failures + 1
            if failures >= ATTEMPTS or not _bytes(part):
                raise UnreachableError(
                    f"cannot download {source} ({_reason(error)})",
                    file=output,
                    remedy="check the network and run it again, or put the file there",
                ) from None
            time.sleep(pause * 2 ** (failures - 1))
    with part.open("rb") as handle:
        os.fsync(handle.fileno())
    part.replace(output)
    tag.unlink(missing_ok=True)


def _receive(source: str, output: Path) -> None:
    """Append what is missing of ``source`` to the part of ``output``.

    Raises requests.ConnectionError when less arrives than the server promised.
    """
    import requests

    part, tag = _part(output), _tag(output)
    headers = {"Accept-Encoding": "identity"}
    have = _bytes(part)
    known = _read_tag(tag)
    if have and known.get("source") == source and known.get("version"):
        headers |= {"Range": f"bytes={have}-", "If-Range": known["version"]}
    with requests.get(source, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if source.startswith("https:") and not response.url.startswith("https:"):
            raise MissingDataError(
                f"cannot download {source}",
                file=output,
                found=f"a way that leaves https for {response.url}",
                remedy="name another address in configs/datasets",
            )
        if response.status_code == 416 and have:  # there is nothing beyond what is here
            if have == known.get("total"):
                return
            part.unlink()
            return _receive(source, output)
        if response.status_code not in (200, 206):
            raise MissingDataError(
                f"cannot download {source}",
                file=output,
                found=f"HTTP status {response.status_code}",
                expected=200,
                remedy="check the address in configs/datasets",
            )
        if response.status_code == 200:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if version is not None and version.startswith("W/"):
            version = None
        if not have:
            server = {"source": source, "total": total, "version": version}
            atomic_write_text(tag, json.dumps(server) + "\n")
        response.raw.enforce_content_length = False  # keep what came before a cut
        with (
            part.open("ab" if have else "wb") as handle,
            tag.open("a", buffering=1) as pieces,
            progress(total or 0, "bytes", f"fetch {output.name}", have) as bar,
        ):
            try:
                for piece in response.iter_content(PIECE_BYTES):
                    handle.write(piece)
                    pieces.write(f"{_mark(piece)} {len(piece)}\n")
                    bar.update(len(piece))
            except requests.exceptions.ChunkedEncodingError as error:
                raise requests.ConnectionError(error) from None
    if total is not None and _bytes(part) < total:
        raise requests.ConnectionError(f"{_bytes(part)} of {total} bytes arrived")


def _part(output: Path) -> Path:
    """What has arrived so far."""
    return output.with_name(f".{output.name}.part")


def _tag(output: Path) -> Path:
    """A line on what the server said of the file, then one on each piece that arrived."""
    return output.with_name(f".{output.name}.tag")


def _read_tag(tag: Path) -> dict[str, Any]:
    with suppress(FileNotFoundError, ValueError):
        return json.loads(tag.read_bytes().partition(b"\n")[0])
    return {}


def _mark(piece: bytes) -> str:
    return hashlib.sha256(piece).hexdigest()[:12]


def _keep_whole_pieces(part: Path, tag: Path) -> None:
    """Cut a part off at the first piece that is not the one that arrived."""
    if not part.exists():
        return
    lines = tag.read_text(errors="replace").splitlines() if tag.exists() else []
    kept, whole = lines[:1], 0
    with part.open("r+b") as handle:
        for line in lines[1:]:
            mark, _, size = line.partition(" ")
            piece = handle.read(int(size)) if size.isdecimal() else b""
            if mark != _mark(piece):
                break
            kept.append(line)
            whole += len(piece)
        handle.truncate(whole)
    atomic_write_text(tag, "".join(f"{line}\n" for line in kept))


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    """The innermost cause, which says what happened without naming library classes."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    return str(reason if reason is not None else error).split(": ", 1)[-1]
