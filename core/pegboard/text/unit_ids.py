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
        used: how many ids of units that have several are kept.
    """

    def __init__(self) -> None:
        self.used = 0
        self._known = 0
        self._ids_of = np.zeros(1024, np.int64)  # how many a unit has, and in the lower half its id or where they are
        self._ids = np.zeros(4096, np.int32)

    def forget_from(self, number: int) -> None:
        """Forget the units with this number and greater ones."""
        if number < self._known:
            counts, starts = self._ids_of[:number] >> 32, self._ids_of[:number] & 0xFFFFFFFF
            # Not the sum of the counts: what was kept together need not be in the order of the numbers.
            self.used = int((starts + counts)[counts > 1].max(initial=0))
        self._known = number

    def keep(self, places: npt.NDArray[np.int64], ids: Ids, offsets: npt.NDArray[np.int64]) -> None:
        """Remember the ids of units; most have a single one.

        Args:
            places: the numbers of the units, ascending.
            ids: the ids of all of them.
            offsets: int64 [units + 1]; where the ids of each start.
        """
        counts = np.diff(offsets)
        single, several = counts == 1, counts > 1
        self._known = max(self._known, int(places[-1]) + 1)
        self._ids_of = grown(self._ids_of, self._known)
        self._ids_of[places[counts == 0]] = 0
        self._ids_of[places[single]] = 1 << 32 | ids[offsets[:-1][single]].astype(np.int64)
        more = ids[np.repeat(several, counts)]
        starts = self.used + np.cumsum(counts[several]) - counts[several]
        self._ids_of[places[several]] = counts[several] << 32 | starts
        self._ids = grown(self._ids, self.used + len(more))
        self._ids[self.used : self.used + len(more)] = more
        self.used += len(more)

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
        ids_of = self._ids_of.take(places)
        counts = ids_of >> 32
        offsets = np.zeros(len(places) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        if len(places) == offsets[-1] and int(counts.min(initial=1)) == 1:
            return ids_of.astype(np.int32), offsets
        values = np.empty(int(offsets[-1]), np.int32)
        single = np.flatnonzero(counts == 1)
        values[offsets[single]] = ids_of[single].astype(np.int32)
        longer = np.flatnonzero(counts > 1)
        targets, starts, counts = offsets[longer], ids_of[longer] & 0xFFFFFFFF, counts[longer]
        for position in range(_AT_ONCE):
            if not len(counts):
                return values, offsets
            values[targets + position] = self._ids[starts + position]
            longer = np.flatnonzero(counts > position + 1)
            targets, starts, counts = targets[longer], starts[longer], counts[longer]
        for target, start, count in zip(targets.tolist(), starts.tolist(), counts.tolist(), strict=True):
            values[target : target + count] = self._ids[start : start + count]
        return values, offsets
