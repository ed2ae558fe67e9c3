"""Count the units of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from pegboard.text.ahead import read_ahead
from pegboard.text.distinct import DistinctUnits, Keyed, with_keys
from pegboard.text.segments import Units

__all__ = ["count_units"]

_MOST_UNITS = 4_000_000
_MOST_BYTES = 128 * 2**20


def count_units(blocks: Iterable[Units]) -> Iterator[tuple[str, bool, int]]:
    """Each distinct unit, whether it is a normalized word, and how often it occurs.

    In a corpus that repeats little, memory is kept bounded by counting in several goes: then a unit may come twice.
    """
    counter = _Counter()
    for keyed in read_ahead(map(with_keys, blocks)):
        counter.add(keyed)
        if counter.is_full:
            yield from counter.result()
            counter = _Counter()
    yield from counter.result()


class _Counter:
    def __init__(self) -> None:
        self._units = DistinctUnits()
        self._texts: list[pa.LargeStringArray] = []
        self._words: list[np.ndarray[tuple[int], np.dtype[np.bool_]]] = []
        self._counts = np.zeros(0, np.int64)
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        return self._units.count > _MOST_UNITS or self._bytes > _MOST_BYTES

    def add(self, keyed: Keyed) -> None:
        units = keyed.units
        places, unseen = self._units.places(keyed)
        counts = np.bincount(places, minlength=self._units.count)
        counts[: len(self._counts)] += self._counts
        self._counts = counts
        texts = units.take(unseen).cast(pa.large_string())
        self._bytes += texts.nbytes
        self._texts.append(texts)
        self._words.append(np.zeros(len(unseen), np.bool_) if units.words is None else units.words[unseen])

    def result(self) -> Iterator[tuple[str, bool, int]]:
        first = 0
        for texts, words in zip(self._texts, self._words, strict=True):
            counts = self._counts[first : first + len(texts)]
            yield from zip(texts.to_pylist(), words.tolist(), counts.tolist(), strict=True)
            first += len(texts)
