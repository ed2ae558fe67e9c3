"""From figures to words: what is wrong with the data, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy.typing as npt

__all__ = ["MOST_PLACES", "Example", "Finding", "listed", "plural"]

MOST_PLACES = 10_000
"""Row numbers of a finding and split that the report lists."""


@dataclass(frozen=True)
class Example:
    """A row that shows a finding.

    Attributes:
        split: its split.
        row: its number, from 0.
        text: the text, or a part of it.
        label: its label, if it has one.
        why: what of the finding it shows.
    """

    split: str
    row: int
    text: str
    label: str | None = None
    why: str = ""

    def summary(self) -> dict[str, Any]:
        """The example as it stands in the report."""
        return {"split": self.split, "row": self.row, "label": self.label, "text": self.text, "why": self.why}


@dataclass(frozen=True)
class Finding:
    """Something about the data that wants attention.

    Attributes:
        code: a name that stays, for programs.
        level: `warning` for what changes results or stops training, `note` for what is good to know.
        title: what it is, with the number of rows.
        advice: what to do.
        rows: how many rows it concerns.
        places: for each split the numbers of these rows, at most ten thousand; empty where they are too many to keep.
        examples: a few of them.
    """

    code: str
    level: Literal["warning", "note"]
    title: str
    advice: str
    rows: int
    places: Mapping[str, Sequence[int] | npt.NDArray[Any]] = field(default_factory=dict)
    examples: Sequence[Example] = ()

    def __str__(self) -> str:
        """Title and advice."""
        return f"{self.title}\n  -> {self.advice}"

    def summary(self) -> dict[str, Any]:
        """The finding as it stands in the report."""
        return {
            "code": self.code,
            "level": self.level,
            "title": self.title,
            "advice": self.advice,
            "rows": self.rows,
            "places": {split: [int(row) for row in rows[:MOST_PLACES]] for split, rows in self.places.items()},
            "examples": [example.summary() for example in self.examples],
        }


def plural(count: int, one: str, many: str = "") -> str:
    """A number and its noun.

    Example:
        >>> plural(1, "row"), plural(1200, "row")
        ('1 row', '1,200 rows')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(parts: Sequence[str], most: int = 4) -> str:
    """Words with commas and an `and`.

    Example:
        >>> listed(["train", "test"]), listed(list("abcdef"), most=2)
        ('train and test', 'a, b and 4 more')
    """
    if len(parts) > most:
        return f"{', '.join(parts[:most])} and {len(parts) - most:,} more"
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
