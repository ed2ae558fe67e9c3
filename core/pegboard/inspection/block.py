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
        labels: int64 [rows], `NO_LABEL` where there is none; `None` for data without labels.
    """

    split: str
    first: int
    texts: pa.LargeStringArray
    labels: npt.NDArray[np.int64] | None

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.texts)

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
        labels: int64 [rows], or `None` for data without labels.
    """

    def __init__(self, name: str, texts: Texts, labels: npt.NDArray[np.int64] | None) -> None:
        self.name = name
        self.texts = texts
        self.labels = labels

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.texts)

    def blocks(self) -> Iterator[Block]:
        """The rows in order."""
        first = 0
        for texts in self.texts.blocks(_BLOCK_BYTES):
            labels = None if self.labels is None else self.labels[first : first + len(texts)]
            yield Block(self.name, first, texts, labels)
            first += len(texts)

    def some(self, rows: Any) -> dict[int, str]:
        """The texts of some rows, by row number; a missing one is empty."""
        wanted = np.unique(np.asarray(rows, np.int64))
        found = self.texts.take(wanted)
        return {row: text or "" for row, text in zip(wanted.tolist(), found, strict=True)}
