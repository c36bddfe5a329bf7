"""What pydantic finds wrong with a value, in the words of whoever wrote the value."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from mac.errors import ConfigError

_KINDS = {  # by pydantic's types of errors
    **dict.fromkeys(("dict_type", "mapping_type", "model_type"), "must be a mapping"),
    **dict.fromkeys(("list_type", "tuple_type"), "must be a list"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be an integer"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be a boolean, true or false"),
    "string_type": "must be text",
    "extra_forbidden": "unknown key",
    "missing": "is missing",
}


def worded(problem: Mapping[str, Any]) -> dict[str, str | None]:
    """Message, found value and remedy of one problem, as :class:`ConfigError` takes them."""
    kind, value = problem["type"], problem["input"]
    own = problem["msg"].removeprefix("Value error, ")
    message = _KINDS.get(kind) or re.sub(r"^[A-Z]\w+ should (?=be|have|match)", "must ", own)
    if kind == "missing" or isinstance(value, Mapping):  # what is around it would be shown
        found = None
    else:
        found = "nothing" if value is None else repr(value)
    return {"message": message, "found": found, "remedy": _remedy(message, value)}


def _remedy(message: str, value: Any) -> str | None:
    """What to write instead, where that can be told."""
    if message == "must be a mapping":
        return "write something below it, or remove it" if value is None else None
    if message == "must be a list":
        return f"write [{value}]" if isinstance(value, int | float | str) else None
    if message in ("must be an integer", "must be a number"):
        try:  # YAML takes 1e-3 for text
            number = float(value) if isinstance(value, str | float) else math.nan
        except ValueError:
            return None
        if number.is_integer():
            return f"write {number:.0f}"
        return f"write {number}" if message.endswith("number") and math.isfinite(number) else None
    return None


def refusal(error: ValidationError, model: type[BaseModel], file: Path | str) -> ConfigError:
    """The first problem with a file that ``model`` describes; it names file and key."""
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"] if part != "[key]"]
    told, expected = worded(first), None
    if first["type"] == "extra_forbidden":
        known = list(_section(model, parts[:-1]).model_fields)
        close = difflib.get_close_matches(parts[-1], known, n=1)
        told["remedy"] = f"did you mean {close[0]}?" if close else None
        expected = ", ".join(known)
    if first["type"] == "missing":
        known = _section(model, parts[:-1]).model_fields
        odd = [str(name) for name in first["input"] if name not in known]
        close = difflib.get_close_matches(parts[-1], odd, n=1)
        told["remedy"] = f"is {close[0]} meant to be it?" if close else None
    key = ".".join(part if part.isprintable() else repr(part) for part in parts)
    return ConfigError(**told, file=file, key=key or None, expected=expected)


def _section(model: type[BaseModel], path: Sequence[str]) -> type[BaseModel]:
    """The model of what lies at a path in a file; names chosen by the user are stepped over."""

    def held(annotation: Any) -> Iterator[type[BaseModel]]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
        for inner in get_args(annotation):
            yield from held(inner)

    for part in path:
        if part in model.model_fields:
            model = next(held(model.model_fields[part].annotation), model)
    return model
