"""Layers of YAML values, later ones stronger, validated into one configuration that remembers where each value is from."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mac.config.schema import AgentConfig
from mac.errors import ConfigError


def sections(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Every dotted key of a model with its default; sections themselves are not keys."""
    keys: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        nested = _nested(info.annotation)
        if nested is None:
            keys[prefix + name] = None if info.is_required() else info.default
        else:
            keys |= sections(nested, f"{prefix}{name}.")
    return keys


def _nested(annotation: Any) -> type[BaseModel] | None:
    """The section a field holds, also where it may be None."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def flatten(
    values: Mapping[str, Any], file: Path | str, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested mappings; keys may be dotted already."""
    for key, value in values.items():
        if not isinstance(key, str):
            raise ConfigError("a key must be text", file=file, key=f"{prefix}{key}")
        if isinstance(value, Mapping):
            yield from flatten(value, file, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@dataclass(frozen=True)
class Layer:
    """Values of one file, or of one part of it.

    Attributes:
        name: how the layer is called in messages, for instance ``agents/mac.yaml``.
        values: by dotted key.
        must_change: refuse values that equal what lower layers say.
    """

    name: str
    values: Mapping[str, Any]
    must_change: bool = False

    @classmethod
    def of(cls, name: str, values: Any, *, must_change: bool = False) -> Layer:
        """Layer of a nested mapping (None counts as empty)."""
        if values is not None and not isinstance(values, Mapping):
            raise ConfigError("must be a mapping of values", file=name, found=type(values).__name__)
        return cls(name, dict(flatten(values or {}, name)), must_change)


def pick_override(overrides: Mapping[str, Any], name: str, file: str) -> Layer:
    """The layer of the most specific pattern that matches ``name``; two equally specific ones are an error.

    A pattern is a shell pattern; the more literal characters, the more specific.
    """
    matches = [p for p in overrides if fnmatch.fnmatchcase(name, p)]

    def literal(pattern: str) -> int:
        return len(pattern) - sum(pattern.count(c) for c in "*?[]")

    matches.sort(key=literal)
    if len(matches) > 1 and literal(matches[-1]) == literal(matches[-2]):
        raise ConfigError(
            f"two patterns match {name} equally well",
            file=file,
            key="overrides",
            found=" and ".join(matches[-2:]),
        )
    layers = [dict(flatten(overrides[p] or {}, file)) for p in matches]
    return Layer(
        f"{file} ({matches[-1]})" if matches else file,
        {k: v for x in layers for k, v in x.items()},
        True,
    )


@dataclass
class Resolved:
    """A validated configuration.

    Attributes:
        config: the values, typed.
        origins: the layer each dotted key came from; ``default`` for the schema's own.
        changed: keys of each layer that changed a value.
    """

    config: AgentConfig
    origins: Mapping[str, str]
    changed: Mapping[str, set[str]] = field(default_factory=dict)

    @cached_property
    def plain(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return self.config.model_dump(mode="json")

    def value(self, key: str) -> Any:
        """Plain value of a dotted key or of a whole section."""
        value: Any = self.plain
        for part in key.split("."):
            value = value[part]
        return value


def resolve(layers: Sequence[Layer], model: type[AgentConfig]) -> Resolved:
    """Merge layers, lowest first, and validate; raises :class:`ConfigError` naming file and key."""
    known = sections(model)
    origins: dict[str, str] = {}
    merged: dict[str, Any] = {}
    changed: dict[str, set[str]] = {}
    for layer in layers:
        for key, value in layer.values.items():
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]}?" if close else "see `mac config schema`"
                raise ConfigError("unknown key", file=layer.name, key=key, remedy=hint)
            before = merged.get(key, _plain(known[key]))
            if _plain(value) != before:
                changed.setdefault(layer.name, set()).add(key)
            merged[key], origins[key] = value, layer.name
    nested: dict[str, Any] = {}
    for key, value in merged.items():
        *path, last = key.split(".")
        target = nested
        for part in path:
            target = target.setdefault(part, {})
        target[last] = value
    try:
        config = model.model_validate(_share(nested))
    except ValidationError as error:
        raise _readable(error, origins) from None
    return Resolved(config, {key: origins.get(key, "default") for key in known}, changed)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _share(values: dict[str, Any]) -> dict[str, Any]:
    """Fill each stage's missing steps, batch size and optimiser with the shared ones."""
    top = AgentConfig.model_fields
    for section in ("model", "heads", "behaviour", "value"):
        stage = values.setdefault(section, {})
        for key in ("steps", "batch_size"):
            if stage.get(key) is None:
                stage[key] = values.get(key, top[key].default)
        stage["optimiser"] = {**values.get("optimiser", {}), **(stage.get("optimiser") or {})}
    return values


def _readable(error: ValidationError, origins: Mapping[str, str]) -> ConfigError:
    """The first problem as one line that names file and key."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(part for part in path if not part.isdigit())
    file = origins.get(key) or next(
        (layer for k, layer in reversed(origins.items()) if k.startswith(f"{key}.")), None
    )
    shared = key.split(".", 1)[-1]  # a stage's value may have been filled in from the shared one
    return ConfigError(
        first["msg"].removeprefix("Value error, "),
        file=file or origins.get(shared),
        key=key or None,
        found=repr(first["input"]) if not isinstance(first["input"], dict) else None,
    )
