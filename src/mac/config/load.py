"""Layers of YAML values, later ones stronger, make one validated configuration.

It remembers where each value is from.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mac.config.schema import SHARED, AgentConfig, Impossible
from mac.config.wording import worded
from mac.errors import ConfigError


@cache
def sections(model: type[BaseModel], prefix: str = "") -> Mapping[str, Any]:
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


def part_of_schema(model: type[BaseModel], key: str | None) -> dict[str, Any]:
    """JSON schema of a configuration: all of it, or what stands under a dotted key.

    Raises:
        ConfigError: if there is no such key.
    """
    schema: dict[str, Any] = model.model_json_schema()
    inner: type[BaseModel] | None = model
    for part in key.split(".") if key else ():
        if inner is None or part not in inner.model_fields:
            known = list(inner.model_fields if inner else ())
            close = difflib.get_close_matches(part, known, n=1)
            raise ConfigError(
                "unknown key",
                key=key,
                expected=", ".join(known) or "nothing below a value",
                remedy=f"did you mean {close[0]}?" if close else None,
            )
        leaf = inner.model_json_schema()["properties"][part]
        inner = _nested(inner.model_fields[part].annotation)
        schema = inner.model_json_schema() if inner else leaf
    return schema


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
        must_change: a value that changes nothing in any configuration misleads its reader; see
            :func:`refuse_idle`.
        shared: it speaks to several agents, each of which takes the keys it has; see
            :func:`resolve`.
    """

    name: str
    values: Mapping[str, Any]
    must_change: bool = False
    shared: bool = False

    @classmethod
    def of(
        cls, name: str, values: Any, *, must_change: bool = False, shared: bool = False
    ) -> Layer:
        """Layer of a nested mapping (None counts as empty).

        Raises:
            ConfigError: for a key that it holds in two spellings, of which one would be lost.
        """
        if values is not None and not isinstance(values, Mapping):
            raise ConfigError("must be a mapping of values", file=name, found=type(values).__name__)
        flat: dict[str, Any] = {}
        for key, value in flatten(values or {}, name):
            if key in flat:
                raise ConfigError(
                    "is set twice, once by a dotted key", file=name, key=key, remedy="keep one"
                )
            flat[key] = value
        return cls(name, flat, must_change, shared)


def patterns(found: Iterable[str], name: str, file: str, key: str) -> list[str]:
    """The shell patterns that match ``name``, the most specific last.

    The more literal characters, the more specific. Equally specific ones are an error.
    """
    matches = [p for p in found if fnmatch.fnmatchcase(name, p)]

    def literal(pattern: str) -> int:
        return len(pattern) - sum(pattern.count(c) for c in "*?[]")

    matches.sort(key=literal)
    for first, second in pairwise(matches):
        if literal(first) == literal(second):
            raise ConfigError(
                f"two patterns match {name} equally well",
                file=file,
                key=key,
                found=f"{first} and {second}",
                remedy="make one of them longer",
            )
    return matches


def matching(overrides: Mapping[str, Any], name: str, file: str) -> list[Layer]:
    """Layers of the patterns that match ``name``, the most specific last; see :func:`patterns`."""
    found = patterns(overrides, name, file, "overrides")
    return [Layer.of(f"{file} ({p})", overrides[p], must_change=True) for p in found]


@dataclass
class Resolved:
    """A validated configuration.

    Attributes:
        config: the values, typed.
        origins: the layer each dotted key came from; ``default`` for the schema's own.
        layers: what was merged, lowest first.
        changed: keys of each layer that changed a value.
    """

    config: AgentConfig
    origins: Mapping[str, str]
    layers: Sequence[Layer] = ()
    changed: Mapping[str, set[str]] = field(default_factory=dict)

    @cached_property
    def plain(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return self.config.model_dump(mode="json")

    def origin(self, key: str) -> str:
        """Where a dotted key's value comes from; of one that a stage shares, the shared one's."""
        shared = key.partition(".")[2]
        if self.origins[key] != "default" or shared.split(".")[0] not in SHARED:
            return self.origins[key]
        origin = self.origins[shared]
        return origin if origin == "default" else f"{origin} ({shared})"

    @property
    def used(self) -> list[str]:
        """Keys that mean something: stages trained apart have all values of their own."""
        apart = self.config.schedule == "staged" and self.config.stage_sections()
        return [key for key in self.origins if not (apart and key.split(".")[0] in SHARED)]

    def value(self, key: str) -> Any:
        """Plain value of a dotted key or of a whole section."""
        value: Any = self.plain
        for part in key.split("."):
            value = value[part]
        return value


def resolve(
    layers: Sequence[Layer], model: type[AgentConfig], others: Iterable[type[AgentConfig]] = ()
) -> Resolved:
    """Merge layers, lowest first, and validate; raises :class:`ConfigError` naming file and key.

    What a shared layer says under a key that only ``others`` have is left to them.
    """
    known = sections(model)
    elsewhere = {key for other in others for key in sections(other)} - known.keys()
    origins: dict[str, str] = {}
    merged: dict[str, Any] = {}
    changed: dict[str, set[str]] = {}
    for layer in layers:
        for key, value in layer.values.items():
            if layer.shared and key in elsewhere:
                continue
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
        config = model.model_validate(_share(nested, model))
    except ValidationError as error:
        raise _readable(error, origins) from None
    whole = {key: origins.get(key, "default") for key in known}
    return Resolved(config, whole, tuple(layers), changed)


def refuse_idle(resolved: Iterable[Resolved]) -> None:
    """Refuse values that must change something and change nothing in any configuration."""
    layers: dict[str, Layer] = {}
    changed: dict[str, set[str]] = {}
    for one in resolved:
        for layer in one.layers:
            layers[layer.name] = layer
            changed.setdefault(layer.name, set()).update(one.changed.get(layer.name, ()))
    for name, layer in layers.items():
        idle = [key for key in layer.values if layer.must_change and key not in changed[name]]
        if idle:
            raise ConfigError(
                "this value changes nothing", file=name, key=idle[0], remedy="remove it"
            )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _share(values: dict[str, Any], model: type[AgentConfig]) -> dict[str, Any]:
    """Fill each stage's missing steps, batch size and optimiser with the shared ones."""
    top = model.model_fields
    for section in model.stage_sections():
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
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, Impossible):
        path += cause.key.split(".")
    key = ".".join(part for part in path if not part.isdigit())
    file = origins.get(key) or next(
        (layer for k, layer in reversed(origins.items()) if k.startswith(f"{key}.")), None
    )
    shared = key.split(".", 1)[-1]  # a stage's value may have been filled in from the shared one
    return ConfigError(**worded(first), file=file or origins.get(shared), key=key or None)
