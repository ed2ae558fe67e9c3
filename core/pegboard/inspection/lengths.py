"""How long the texts are, in characters and words, and which are missing or empty."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from pegboard.inspection.block import Block
from pegboard.inspection.counts import Counts

__all__ = ["Lengths"]

_SHIFT = 32


class Lengths:
    """The lengths of one split's texts, filled block by block.

    Attributes:
        characters: of the texts that are not missing.
        words: of the same; what is between them is white space.
        missing: rows without a text.
        empty: rows whose text is empty, or nothing but white space.
    """

    def __init__(self) -> None:
        self.characters = Counts()
        self.words = Counts()
        self.missing = array("q")
        self.empty = array("q")
        self._by_label = Counts()

    def add(self, block: Block) -> None:
        """Measure the texts of a block."""
        there = ~block.missing
        self.characters.add(block.characters[there])
        self.words.add(block.words[there])
        self.missing.extend((block.first + np.flatnonzero(block.missing)).tolist())
        self.empty.extend((block.first + np.flatnonzero(there & (block.words == 0))).tolist())
        if block.labels is not None:
            rows, labels = block.label_pairs
            rows, labels = rows[there[rows]], labels[there[rows]]
            self._by_label.add(labels << _SHIFT | block.words[rows])

    def words_of(self, label: int) -> Counts:
        """The words of the texts that have a label."""
        own, counts = self._by_label, Counts()
        start, end = np.searchsorted(own.values, [label << _SHIFT, (label + 1) << _SHIFT])
        counts.values, counts.times = own.values[start:end] - (label << _SHIFT), own.times[start:end]
        return counts

    def summary(self) -> dict[str, Any]:
        """The figures as they stand in the report."""
        return {"characters": self.characters.summary(), "words": self.words.summary()}
