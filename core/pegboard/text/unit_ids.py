"""Keep the ids of numbered units, and gather those of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.text.distinct import Found, grown
from pegboard.text.ragged import Ids, truncate_and_wrap

__all__ = ["UnitIds"]

_AT_ONCE = 16
"""Ids of a unit that are placed one by one, for all units together; what is longer is rare."""


class UnitIds:
    """The ids of units by their numbers.

    Attributes:
        used: how many ids are kept.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew with the numbers."""
        self.used = 0
        self._firsts, self._starts = np.zeros((2, 1024), np.int64)
        self._ids = np.zeros(4096, np.int32)

    def keep(self, places: npt.NDArray[np.int64], ids: Ids, offsets: npt.NDArray[np.int64]) -> None:
        """Remember the ids of units: their number and the first of them apart, since most units have no other.

        Args:
            places: the numbers of the units, ascending.
            ids: the ids of all of them.
            offsets: int64 [units + 1]; where the ids of each start.
        """
        counts = np.diff(offsets)
        self._firsts = grown(self._firsts, int(places[-1]) + 1)
        self._starts = grown(self._starts, int(places[-1]) + 1)
        self._ids = grown(self._ids, self.used + len(ids))
        self._firsts[places] = counts << 32
        self._firsts[places[counts > 0]] |= ids[offsets[:-1][counts > 0]]
        self._starts[places] = self.used + offsets[:-1]
        self._ids[self.used : self.used + len(ids)] = ids
        self.used += len(ids)

    def gather(
        self,
        found: Found,
        *,
        max_length: int,
        before: Sequence[int] = (),
        after: Sequence[int] = (),
        long_texts: str = "head",
    ) -> pa.LargeListArray:
        """The ids of texts by the numbers of their units; what they are wrapped in, see `truncate_and_wrap`."""
        values, offsets = self._gather(found.places)
        return truncate_and_wrap(
            values, offsets[found.rows], max_length=max_length, before=before, after=after, long_texts=long_texts
        )

    def _gather(self, places: npt.NDArray[Any]) -> tuple[Ids, npt.NDArray[np.int64]]:
        """The ids of units one after another, and where those of each unit start, and the last ones end."""
        firsts = self._firsts.take(places)
        counts = firsts >> 32
        offsets = np.zeros(len(places) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        if len(places) == offsets[-1] and int(counts.min(initial=1)) == 1:
            return firsts.astype(np.int32), offsets
        targets = offsets[:-1]
        if len(places) and int(counts.min()) == 0:
            some = np.flatnonzero(counts)
            places, counts, targets, firsts = places[some], counts[some], targets[some], firsts[some]
        values = np.empty(int(offsets[-1]), np.int32)
        values[targets] = firsts.astype(np.int32)
        longer = np.flatnonzero(counts > 1)
        targets, starts, counts = targets[longer], self._starts[places[longer]], counts[longer]
        for position in range(1, _AT_ONCE):
            if not len(counts):
                return values, offsets
            values[targets + position] = self._ids[starts + position]
            longer = np.flatnonzero(counts > position + 1)
            targets, starts, counts = targets[longer], starts[longer], counts[longer]
        for target, start, count in zip(targets.tolist(), starts.tolist(), counts.tolist(), strict=True):
            values[target : target + count] = self._ids[start : start + count]
        return values, offsets
