"""Small files without a hash beside them carry one of their own content: damage is told, not used.

It is no signature: whoever can write the file can write the digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mac.errors import DataError
from mac.io import fingerprint

KEY = "digest"


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values with the digest of them all; it stands first, where no cut takes it off."""
    return {KEY: fingerprint(content), **content}


def unsealed(content: Any, path: str | Path, remedy: str | None = None) -> dict[str, Any]:
    """What was sealed, without its digest; what has none, as by former versions, passes.

    Raises:
        DataError: if it is no mapping, or not the one that was sealed.
    """
    if not isinstance(content, dict):
        raise DataError("damaged", file=path, expected="a mapping", remedy=remedy)
    kept = {key: value for key, value in content.items() if key != KEY}
    if KEY not in content:
        return kept
    try:
        found = fingerprint(kept)
    except (TypeError, ValueError):  # what damage made of a value may be no plain one
        found = "another"
    if found != content[KEY]:
        raise DataError(
            "damaged or changed",
            file=path,
            key=KEY,
            found=found,
            expected=str(content[KEY]),
            remedy=remedy,
        )
    return kept
