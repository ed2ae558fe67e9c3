"""Count the units of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.text.ahead import read_ahead
from pegboard.text.distinct import DistinctUnits
from pegboard.text.segments import Cutter

__all__ = ["count_units"]


def count_units(cutter: Cutter, blocks: Iterable[pa.LargeStringArray]) -> Iterator[tuple[str, bool, int]]:
    """Each distinct unit of blocks of texts, whether it is a normalized word, and how often it occurs.

    In a corpus that repeats little, memory is kept bounded by counting in several goes: then a unit may come twice.
    """
    counts = np.zeros(0, np.int64)
    new: list[tuple[pa.LargeStringArray, npt.NDArray[np.bool_]]] = []
    for found in read_ahead(map(DistinctUnits(cutter).find, blocks)):
        if found.restarted:
            yield from _with_counts(new, counts)
            counts, new = np.zeros(0, np.int64), []
        more = np.bincount(found.places, minlength=len(counts) + len(found.new))
        more[: len(counts)] += counts
        counts = more
        new.append((found.new, found.are_words))
    yield from _with_counts(new, counts)


def _with_counts(
    parts: list[tuple[pa.LargeStringArray, npt.NDArray[np.bool_]]], counts: npt.NDArray[np.int64]
) -> Iterator[tuple[str, bool, int]]:
    first = 0
    for units, are_words in parts:
        times = counts[first : first + len(units)]
        yield from zip(units.to_pylist(), are_words.tolist(), times.tolist(), strict=True)
        first += len(units)
