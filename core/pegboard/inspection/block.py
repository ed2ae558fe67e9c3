"""A block of rows as the findings see it: what several of them need is worked out once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pegboard.pipeline.labels import rows_with

if TYPE_CHECKING:
    from pegboard.text.texts import Texts

__all__ = ["NO_LABEL", "Block", "Split", "digests", "folded"]

NO_LABEL = -1
"""Stands for a label that is missing, or that has no name."""

_BLOCK_BYTES = 4 * 2**20


def folded(text: str) -> str:
    """A text without what case and white space tell apart.

    Example:
        >>> folded("  To  BE ")
        'to be'
    """
    return " ".join(text.split()).casefold()


def digests(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each text, the same everywhere and always."""
    hashed = b"".join([hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts])
    return np.frombuffer(hashed, "<u8").astype(np.uint64)


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a split.

    Attributes:
        split: the split's name.
        first: the number of the first row.
        texts: Arrow `large_string` [rows]; a missing text is null.
        labels: int64 [rows], `NO_LABEL` where there is none; `None` for data without labels. See `Split.labels`.
        sets: see `Split.sets`.
    """

    split: str
    first: int
    texts: pa.LargeStringArray
    labels: npt.NDArray[np.int64] | None
    sets: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.texts)

    @cached_property
    def label_pairs(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The rows, counted in this block, that have labels, and which: as many pairs as a row has labels."""
        if self.sets is not None:
            rows, labels = np.nonzero(self.sets)
            return rows, labels
        assert self.labels is not None
        rows = np.flatnonzero(self.labels >= 0)
        return rows, self.labels[rows]

    @cached_property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Which texts are missing [rows]."""
        return np.asarray(self.texts.is_null().to_numpy(zero_copy_only=False))

    @cached_property
    def present(self) -> pa.LargeStringArray:
        """The texts, an empty one where one is missing."""
        return pc.fill_null(self.texts, "") if self.texts.null_count else self.texts

    @cached_property
    def strings(self) -> list[str]:
        """The texts as Python strings."""
        return list(self.present.to_pylist())

    @cached_property
    def words(self) -> npt.NDArray[np.int64]:
        """How many words each text has, white space being what is between them [rows]."""
        return np.fromiter((len(text.split()) for text in self.strings), np.int64, len(self))

    @cached_property
    def folded(self) -> list[str]:
        """The texts without what case and white space tell apart."""
        return [folded(text) for text in self.strings]

    @cached_property
    def characters(self) -> npt.NDArray[np.int64]:
        """How many characters each text has [rows]."""
        return np.asarray(pc.utf8_length(self.present).to_numpy(zero_copy_only=False)).astype(np.int64)

    @cached_property
    def ends(self) -> npt.NDArray[np.int64]:
        """Where each text ends in `codes` [rows]."""
        return np.cumsum(self.characters)

    @cached_property
    def codes(self) -> npt.NDArray[np.uint32]:
        """The code points of all texts, one after another [characters]."""
        return np.frombuffer("".join(self.strings).encode("utf-32-le"), np.uint32)

    @cached_property
    def occurring(self) -> npt.NDArray[np.int64]:
        """How often each code point occurs [1,114,112]."""
        return np.bincount(self.codes, minlength=0x110000)

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """The row, counted in this block, to which each of `codes` belongs [characters]."""
        return np.repeat(np.arange(len(self)), self.characters)


class Split:
    """The rows of a split, to be read block by block as often as needed.

    Attributes:
        name: `train`, `validation` or `test`.
        texts: all of its texts.
        labels: int64 [rows], or `None` for data without labels. Where a row has a list of labels, a number for the
            whole list, the same for the same labels in every split.
        sets: where a row has a list of labels, which of them it has, bool [rows, labels]; else `None`.
    """

    def __init__(
        self,
        name: str,
        texts: Texts,
        labels: npt.NDArray[np.int64] | None,
        sets: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self.name = name
        self.texts = texts
        self.labels = labels
        self.sets = sets

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.texts)

    def blocks(self) -> Iterator[Block]:
        """The rows in order."""
        first = 0
        for texts in self.texts.blocks(_BLOCK_BYTES):
            labels = None if self.labels is None else self.labels[first : first + len(texts)]
            sets = None if self.sets is None else self.sets[first : first + len(texts)]
            yield Block(self.name, first, texts, labels, sets)
            first += len(texts)

    def rows_with(self, label: int) -> npt.NDArray[np.int64]:
        """The rows that have a label, ascending."""
        labels = self.sets if self.sets is not None else self.labels
        return np.zeros(0, np.int64) if labels is None else rows_with(labels, label)

    def label_counts(self, count: int) -> npt.NDArray[np.int64]:
        """How many rows have each of `count` labels, int64 [labels]."""
        if self.sets is not None:
            return np.asarray(self.sets.sum(axis=0, dtype=np.int64))
        assert self.labels is not None
        return np.bincount(self.labels[self.labels != NO_LABEL], minlength=count)

    def some(self, rows: Any) -> dict[int, str]:
        """The texts of some rows, by row number; a missing one is empty."""
        wanted = np.unique(np.asarray(rows, np.int64))
        found = self.texts.take(wanted)
        return {row: text or "" for row, text in zip(wanted.tolist(), found, strict=True)}
