"""Files: atomic writes, times, hashes, YAML and JSON, and the fingerprint of a plain value."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from mac.errors import ConfigError, DataError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Temporary file beside ``path``: takes its name if the block succeeds, vanishes if it fails.

    The temporary's name is fixed, so that formats which store their own file name write the same
    bytes each time.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def atomic_write_bytes(path: str | Path, content: bytes) -> None:
    """Write ``content`` so that ``path`` is at every moment absent, old or complete."""
    with atomic(path) as part:
        part.write_bytes(content)


def atomic_write_text(path: str | Path, content: str) -> None:
    """Write text (UTF-8, unchanged line ends) as :func:`atomic_write_bytes` does."""
    atomic_write_bytes(path, content.encode())


def not_ahead(paths: Iterable[str | Path]) -> None:
    """Give files whose time lies ahead, as after a clock was set back, the present one.

    Snakemake fails every job with an input younger than its outputs, whatever it was told of the
    ages of inputs.
    """
    now = time.time()
    for path in map(Path, paths):
        with suppress(OSError):  # absent, or another user's
            if path.stat().st_mtime > now:
                os.utime(path, (now, now))


def sha256_file(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


class _NoDuplicates(_Loader):
    """YAML loader that refuses a key written twice in one mapping."""


def _mapping(loader: yaml.Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} is written twice", node.value[index][0].start_mark
            )
    return dict(yaml.constructor.SafeConstructor.construct_mapping(loader, node, deep=True))


_NoDuplicates.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def check_name(name: str, *, file: str | Path | None = None, key: str | None = None) -> None:
    """Refuse a name that cannot stand as it is in paths, shells and addresses."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError(
            "not a plain name",
            file=file,
            key=key,
            found=repr(name),
            expected="letters, digits and . _ - after the first of them",
        )


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Mapping stored in a YAML file; an empty file is an empty mapping."""
    path = Path(path)
    if not path.is_file():
        raise ConfigError("no such file", file=path)
    return parse_yaml(path.read_bytes(), path)


def parse_yaml(content: bytes, path: str | Path) -> dict[str, Any]:
    """Mapping written in the bytes of a YAML file; ``path`` is its name in messages."""
    try:
        content = yaml.load(content.decode(), Loader=_NoDuplicates)  # a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"not valid YAML{place}: {what}", file=path) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"not valid YAML ({error})", file=path) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            "the top level must be a mapping", file=path, found=type(content).__name__
        )
    return content


def write_yaml(path: str | Path, content: Any) -> None:
    """Write a plain value as YAML, keys in the given order."""
    atomic_write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100))


def read_json(path: str | Path, remedy: str | None = None) -> Any:
    """Value stored in a JSON file; ``remedy`` is for where there is none."""
    path = Path(path)
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise DataError("no such file", file=path, remedy=remedy) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"not valid JSON ({error})", file=path, remedy=remedy) from None


def write_json(path: str | Path, content: Any) -> None:
    """Write a plain value as JSON with sorted keys; NaN is refused, since JSON has none."""
    text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    atomic_write_text(path, text + "\n")


def fingerprint(content: Any) -> str:
    """12 hexadecimal digits of a plain value; equal values give equal digits on every machine."""
    text = json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
