"""Texts that occur more than once: within a split, across splits, and with labels that contradict each other.

Two texts are the same when they differ in case and white space only; those that are equal to the letter are counted
beside. Empty texts are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pegboard.inspection.block import NO_LABEL, Block, digests

__all__ = ["Across", "Duplicates", "Hashed", "Within"]

Rows = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


class Hashed:
    """The hashes of a split's texts, filled block by block."""

    def __init__(self) -> None:
        self._exact: list[Hashes] = []
        self._folded: list[Hashes] = []
        self._blank: list[npt.NDArray[np.bool_]] = []

    def add(self, block: Block) -> None:
        """Hash the texts of a block."""
        self._exact.append(digests(block.strings))
        self._folded.append(digests(block.folded))
        self._blank.append(block.words == 0)

    def arrays(self) -> tuple[Hashes, Hashes, npt.NDArray[np.bool_]]:
        """The hashes of the exact and of the folded texts, and which are blank [rows]."""
        empty: list[Any] = [np.empty(0, np.uint64)]
        exact, folded = (np.concatenate(parts or empty) for parts in (self._exact, self._folded))
        return exact, folded, np.concatenate(self._blank) if self._blank else np.empty(0, np.bool_)


@dataclass(frozen=True)
class Within:
    """Texts that a split holds more than once.

    Attributes:
        exact: rows whose very text stands in an earlier row.
        repeated: rows whose text stands in an earlier row, case and white space apart.
        groups: the rows of the texts that occur most often, at most a few.
        conflicting: for each text with several labels its rows, in the order of the first.
        conflicting_exact: how many texts have several labels, to the letter.
    """

    exact: int
    repeated: Rows
    groups: list[Rows]
    conflicting: list[Rows]
    conflicting_exact: int


@dataclass(frozen=True)
class Across:
    """Rows of a split whose text stands in an earlier split, too.

    Attributes:
        split: the split.
        earlier: the earlier one.
        exact: rows whose very text stands there.
        rows: rows whose text stands there, case and white space apart.
        first: for each of them the first row there with that text.
        other_label: which of them have a label that the text never has there; empty without labels.
    """

    split: str
    earlier: str
    exact: int
    rows: Rows
    first: Rows
    other_label: npt.NDArray[np.bool_]


class Duplicates:
    """Compares the hashes of all splits.

    Args:
        hashed: for each split its hashes, in the order train, validation, test.
        labels: for each split its labels, or `None`.

    Attributes:
        texts: for each split the number of each row's text, the same for texts that differ in case and white space
            only; -1 for a blank one.
    """

    def __init__(self, hashed: dict[str, Hashed], labels: dict[str, Rows | None]) -> None:
        self._labels = labels
        self._exact: dict[str, Rows] = {}
        self.texts: dict[str, Rows] = {}
        arrays = {split: one.arrays() for split, one in hashed.items()}
        exact = _numbers([exact for exact, _, _ in arrays.values()])
        texts = _numbers([folded for _, folded, _ in arrays.values()])
        for (split, (_, _, blank)), own_exact, own in zip(arrays.items(), exact, texts, strict=True):
            self._exact[split] = np.where(blank, -1, own_exact)
            self.texts[split] = np.where(blank, -1, own)

    def within(self, split: str, *, groups: int = 3) -> Within:
        """What occurs more than once in one split."""
        texts, exact = self.texts[split], self._exact[split]
        order, starts, sizes = _grouped(texts)
        members = np.split(order, starts[1:])
        largest = np.lexsort((order[starts], -sizes))[:groups].tolist()
        labels = self._labels[split]
        conflicting, conflicting_exact = [], 0
        if labels is not None:
            conflicting = [members[group] for group in _mixed(labels, order, starts)]
            conflicting.sort(key=lambda rows: int(rows[0]))
            order_exact, starts_exact, _ = _grouped(exact)
            conflicting_exact = len(_mixed(labels, order_exact, starts_exact))
        return Within(
            exact=_repetitions(exact),
            repeated=np.sort(np.delete(order, starts)),
            groups=[members[group] for group in largest if sizes[group] > 1],
            conflicting=conflicting,
            conflicting_exact=conflicting_exact,
        )

    def across(self, split: str, earlier: str) -> Across:
        """What of one split occurs in an earlier one."""
        here, there = self.texts[split], self.texts[earlier]
        distinct, first = np.unique(there, return_index=True)
        places = np.minimum(np.searchsorted(distinct, here), max(0, len(distinct) - 1))
        rows = np.flatnonzero((distinct[places] == here) & (here >= 0)) if len(distinct) else np.empty(0, np.int64)
        exact = np.isin(self._exact[split], self._exact[earlier]) & (here >= 0)
        labels, labels_there = self._labels[split], self._labels[earlier]
        other = np.zeros(0, np.bool_)
        if labels is not None and labels_there is not None:
            known = there * 2**31 + labels_there
            other = ~np.isin(here[rows] * 2**31 + labels[rows], known) & (labels[rows] != NO_LABEL)
        return Across(split, earlier, int(exact.sum()), rows, first[places[rows]], other)


def _numbers(columns: Sequence[Hashes]) -> Iterable[Rows]:
    """Each hash as its place among the distinct ones of all columns."""
    _, places = np.unique(np.concatenate(columns), return_inverse=True)
    ends = np.cumsum([len(column) for column in columns])
    return np.split(places.ravel().astype(np.int64), ends[:-1])


def _grouped(texts: Rows) -> tuple[Rows, Rows, Rows]:
    """Rows sorted by text (blank ones left out), where in them each text begins, and how many rows it has."""
    order = np.argsort(texts, kind="stable")
    order = order[np.searchsorted(texts[order], 0) :]
    _, starts, sizes = np.unique(texts[order], return_index=True, return_counts=True)
    return order, starts, sizes


def _mixed(labels: Rows, order: Rows, starts: Rows) -> Rows:
    """The groups of rows that have several labels; rows without a label contradict nothing."""
    if not len(starts):
        return starts
    own = labels[order]
    low = np.minimum.reduceat(np.where(own == NO_LABEL, np.iinfo(np.int64).max, own), starts)
    return np.flatnonzero(np.maximum.reduceat(own, starts) > low)


def _repetitions(texts: Rows) -> int:
    counted = texts[texts >= 0]
    return len(counted) - len(np.unique(counted))
