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
    parts: list[tuple[pa.LargeStringArray, npt.NDArray[np.bool_]]] = []
    for found in read_ahead(map(DistinctUnits(cutter).find, blocks)):
        if found.known < len(counts):
            yield from _with_counts(parts, counts)
            counts, parts = np.zeros(found.known, np.int64), _first(parts, found.known)
        more = np.bincount(found.places, minlength=len(counts) + len(found.new))
        more[: len(counts)] += counts
        counts = more
        parts.append((found.new, found.are_words))
    yield from _with_counts(parts, counts)


def _first(
    parts: list[tuple[pa.LargeStringArray, npt.NDArray[np.bool_]]], count: int
) -> list[tuple[pa.LargeStringArray, npt.NDArray[np.bool_]]]:
    units = pa.concat_arrays([units for units, _ in parts])[:count]
    return [(units, np.concatenate([are_words for _, are_words in parts])[:count])]


def _with_counts(
    parts: list[tuple[pa.LargeStringArray, npt.NDArray[np.bool_]]], counts: npt.NDArray[np.int64]
) -> Iterator[tuple[str, bool, int]]:
    first = 0
    for units, are_words in parts:
        times = counts[first : first + len(units)]
        some = np.flatnonzero(times)
        yield from zip(
            units.take(pa.array(some)).to_pylist(), are_words[some].tolist(), times[some].tolist(), strict=True
        )
        first += len(units)
