"""What to do about artefacts that are not here: DVC brings those that were published."""

from __future__ import annotations

import configparser
from collections.abc import Iterable
from pathlib import Path


def advice(folders: Iterable[str], experiment: str, root: Path) -> list[str]:
    """A line for those of ``folders`` that DVC can bring, one for those that it cannot.

    Args:
        folders: artefacts, relative to ``root``.
        experiment: whose results they are behind.
        root: the repository's root.
    """
    published = {folder: _published(root, folder) for folder in folders}
    found = []
    if number := sum(published.values()):
        found.append(f"folders in DVC: {number}; {_how(root)}")
    if number := len(published) - number:
        found.append(
            f"folders not in DVC: {number}; `rm -r results/{experiment}`, then `snakemake --cores"
            f" all {experiment}`, computes them here"
        )
    return found


def _published(root: Path, folder: str) -> bool:
    place = root / folder
    return any(path.with_name(f"{path.name}.dvc").is_file() for path in (place, place.parent))


def _how(root: Path) -> str:
    url = _remote(root)
    if url is None:
        return "name a remote that has them (docs/dvc.md), then `dvc pull`"
    folder = root / ".dvc" / url  # as DVC reads it, if it is one
    if "://" not in url and not folder.is_dir():
        return (
            f"the remote {folder.resolve().name} is not here; name one (docs/dvc.md) that has them"
        )
    return "`dvc pull` brings them"


def _remote(root: Path) -> str | None:
    """Address of the default remote; None without one."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read([root / ".dvc/config", root / ".dvc/config.local"])
    name = settings.get("core", "remote", fallback=None)
    return settings.get(f"'remote \"{name}\"'", "url", fallback=None)
