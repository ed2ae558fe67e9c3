"""How often each whole number occurs: all that is kept of the lengths of any number of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PERCENTILES", "Counts"]

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)

Numbers = npt.NDArray[np.int64]


class Counts:
    """A distribution over whole numbers, filled block by block.

    Attributes:
        values: the numbers that occur, ascending.
        times: how often each occurs.

    Example:
        >>> counts = Counts()
        >>> counts.add(np.array([3, 1, 3]))
        >>> counts.percentile(50), counts.most, counts.above(2)
        (3, 3, 2)
    """

    def __init__(self) -> None:
        self.values: Numbers = np.empty(0, np.int64)
        self.times: Numbers = np.empty(0, np.int64)

    def add(self, numbers: npt.NDArray[np.integer[Any]]) -> None:
        """Count some more numbers."""
        values, times = np.unique(numbers, return_counts=True)
        self._add(values.astype(np.int64), times.astype(np.int64))

    @classmethod
    def merged(cls, parts: Sequence[Counts]) -> Counts:
        """One distribution of several."""
        whole = cls()
        for part in parts:
            whole._add(part.values, part.times)
        return whole

    def _add(self, values: Numbers, times: Numbers) -> None:
        both, places = np.unique(np.concatenate([self.values, values]), return_inverse=True)
        added = np.zeros(len(both), np.int64)
        np.add.at(added, places.ravel(), np.concatenate([self.times, times]))
        self.values, self.times = both, added

    def __len__(self) -> int:
        """How many numbers were counted."""
        return int(self.times.sum())

    @property
    def total(self) -> int:
        """Their sum."""
        return int((self.values * self.times).sum())

    @property
    def most(self) -> int:
        """The largest; 0 where there is none."""
        return int(self.values[-1]) if len(self.values) else 0

    def percentile(self, percent: float) -> int:
        """The smallest number that at least `percent` of a hundred do not exceed; 0 where there is none."""
        if not len(self.values):
            return 0
        reached = np.cumsum(self.times)
        place = int(np.searchsorted(reached, percent / 100 * reached[-1] - 1e-9))
        return int(self.values[min(place, len(self.values) - 1)])

    def above(self, limit: int) -> int:
        """How many are larger than `limit`."""
        return int(self.times[self.values > limit].sum())

    def box(self) -> dict[str, int]:
        """The quartiles, and the most distant values within 1.5 times their distance: a box plot's whiskers."""
        q1, median, q3 = (self.percentile(percent) for percent in (25, 50, 75))
        reach = 1.5 * (q3 - q1)
        inside = self.values[(self.values >= q1 - reach) & (self.values <= q3 + reach)]
        low, high = (int(inside[0]), int(inside[-1])) if len(inside) else (0, 0)
        return {"low": low, "q1": q1, "median": median, "q3": q3, "high": high, "rows": len(self)}

    def bars(self, most: int = 60) -> tuple[list[int], list[int]]:
        """Edges and heights of a histogram with at most `most` bars of one width.

        The last bar is open: it ends where the largest number does not stretch the axis, and holds all that is beyond.
        """
        end = min(self.most, max(10, 2 * self.percentile(99))) + 1
        width = next(w for w in _widths() if w * most >= end)
        bars = -(-end // width)
        heights = np.bincount(np.minimum(self.values // width, bars - 1), self.times, bars)
        return [width * bar for bar in range(bars + 1)], [int(height) for height in heights]

    def summary(self) -> dict[str, Any]:
        """The figures as they stand in the report."""
        rows = len(self)
        return {
            "total": self.total,
            "mean": round(self.total / rows, 2) if rows else 0,
            "percentiles": {str(percent): self.percentile(percent) for percent in PERCENTILES},
            "max": self.most,
        }


def _widths() -> Any:
    """Widths of bars that read well: 1, 2, 5, 10, 20, …"""
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10
