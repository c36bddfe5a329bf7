"""The numbers that the paper reports, as files of ``configs/paper`` hold them.

Planning finds the file and fingerprints it; what it says is read here alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mac.config.wording import refusal
from mac.io import read_yaml

Percent = Annotated[float, Field(ge=0.0, le=100.0)]
SECOND_HAND = "†"
OTHER_TASKS = "‡"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PaperColumn(_Model):
    """A column of the paper's table.

    ``spread`` says what its ± is over, ``inferred`` that the paper does not say so; ``labels`` are
    the agents of ours beside which it stands; ``settings`` are values of ours, by dotted key, that
    mean the paper's for this column.
    """

    name: str
    labels: tuple[str, ...]
    spread: Literal["seeds", "tasks", "unknown"]
    inferred: bool = False
    settings: Mapping[str, Any] = {}

    @property
    def meaning(self) -> str:
        """What the ± is over, in one word for a table cell."""
        if self.spread == "unknown":
            return "?"
        return f"{self.spread}?" if self.inferred else self.spread


class Note(_Model):
    """A remark on the paper's numbers; printed where one of ``columns`` is, or always."""

    text: str
    columns: tuple[str, ...] = ()


class Claims(_Model):
    """One file of ``configs/paper``.

    ``protocol`` holds values of ours, by dotted key, that mean the paper's data and budget; without
    it the paper's protocol is not known, and nothing compares.
    """

    source: str
    statistic: str
    tasks: Annotated[int, Field(ge=1)]
    protocol: Mapping[str, Any] | None = None
    columns: dict[str, PaperColumn]
    values: dict[str, dict[str, Annotated[list[Percent], Field(min_length=1, max_length=2)]]]
    notes: tuple[Note, ...] = ()
    second_hand: bool = False

    @model_validator(mode="after")
    def _values_have_columns(self) -> Claims:
        for environment, values in self.values.items():
            if unknown := set(values) - set(self.columns):
                raise ValueError(f"values.{environment}: no such column: {', '.join(unknown)}")
        for note in self.notes:
            if unknown := set(note.columns) - set(self.columns):
                raise ValueError(f"notes: no such column: {', '.join(unknown)}")
        labels = [label for column in self.columns.values() for label in column.labels]
        if twice := {label for label in labels if labels.count(label) > 1}:
            raise ValueError(f"labels of two columns: {', '.join(sorted(twice))}")
        return self

    def of(self, environment: str, label: str, tasks: int) -> Claim | None:
        """The paper's number beside our ``label``, or None where it has none.

        ``tasks`` is the number of tasks that our mean is over.
        """
        for key, column in self.columns.items():
            if label in column.labels:
                return self.at(environment, key, tasks)
        return None

    def at(self, environment: str, column: str, tasks: int) -> Claim | None:
        """The number in a column of the paper, or None where it has none."""
        if column not in self.values.get(environment, {}):
            return None
        mean, *spread = self.values[environment][column]
        marks = SECOND_HAND * self.second_hand + OTHER_TASKS * (tasks != self.tasks)
        meaning = self.columns[column].meaning
        return Claim(column, mean, spread[0] if spread else None, meaning, marks)

    def differences(self, column: str, config: Mapping[str, Any]) -> list[str]:
        """How a resolved configuration differs from what ``column`` of the paper stands for.

        A key that the configuration does not have means nothing to its agent.
        """
        if self.protocol is None:
            return ["the paper's protocol is not known"]
        expected = {**self.protocol, **self.columns[column].settings}
        return list(_differing(config, expected))


def _differing(config: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    for key, value in expected.items():
        found: Any = config
        for name in key.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        found = list(found) if isinstance(found, tuple) else found
        if found is not None and found != value:
            yield f"{key} {found}, paper {value}"


@dataclass(frozen=True)
class Claim:
    """One number of the paper.

    Attributes:
        column: key of the paper's column.
        mean: success in percent.
        spread: the number after ±, None where there is none.
        meaning: what the spread is over; a question mark says that this was inferred.
        marks: footnote marks.
    """

    column: str
    mean: float
    spread: float | None
    meaning: str
    marks: str

    @property
    def text(self) -> str:
        """The number as it stands in a table."""
        spread = "" if self.spread is None else f" ± {self.spread:g} ({self.meaning})"
        return f"{self.mean:g}{spread}{self.marks}"


def load(path: str | Path) -> Claims:
    """Read and check one file of the paper's numbers."""
    try:
        return Claims.model_validate(read_yaml(path))
    except ValidationError as error:
        raise refusal(error, Claims, path) from None
