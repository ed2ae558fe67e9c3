"""Number the distinct units of a corpus, many at a time."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.text.segments import Cutter, Units

__all__ = ["DistinctUnits", "Found", "grown"]

_SLOT_BITS = 21
_SHORT = 15
"""Bytes of a unit that two 64-bit numbers hold, together with its length."""

_LOW_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
_TOO_LONG = np.uint64(2**64 - 1)
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)

Keys = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Array = TypeVar("Array", npt.NDArray[np.uint8], npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.uint64])


class Found(NamedTuple):
    """A block of texts as the numbers of its units.

    Attributes:
        places: [units]; the number of each.
        rows: int64 [texts + 1]; text i has the units `rows[i]` to `rows[i + 1]`.
        new: the units that were given a number for the first time, in the order of their numbers.
        are_words: bool [new]; whether they are words, normalized already.
        known: how many units had numbers before this block; those with greater numbers are forgotten.
    """

    places: npt.NDArray[np.int32] | npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    new: pa.LargeStringArray
    are_words: npt.NDArray[np.bool_]
    known: int


class _Keyed(NamedTuple):
    """Units, and what they are looked up by.

    Attributes:
        units: the units.
        low: uint64 [units]; the first eight bytes.
        high: uint64 [units]; the next seven and the length, or `_TOO_LONG`.
        slots: int64 [units]; where in the table a unit has its slot.
    """

    units: Units
    low: Keys
    high: Keys
    slots: Places


class DistinctUnits:
    """Gives each distinct unit a number, in the order of their first occurrence; memory stays bounded.

    A unit of up to 15 bytes is looked up by its bytes, as two numbers, in a table where each has one slot, for millions
    of units at once. What finds its slot taken by another unit, and what is longer, is looked up in a dictionary; in
    text that follows Zipf's law these are few, as the frequent units come first.

    Args:
        cutter: how texts are cut into units.

    Where there are too many, the half that came last is forgotten: what comes early is frequent.

    Attributes:
        full: whether half of the units are forgotten before the next block; it may be set.
        most_units: how many are remembered.
        most_bytes: how many bytes of them are.
    """

    most_units: ClassVar[int] = 1_000_000
    most_bytes: ClassVar[int] = 128 * 2**20

    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter
        self.full = False
        self._count = 0
        self._kept_bytes = 0
        self._slots: Places = np.zeros(1 << _SLOT_BITS, np.int64)
        self._low: Keys = np.zeros(1024, np.uint64)
        self._high: Keys = np.zeros(1024, np.uint64)
        self._others: dict[bytes, int] = {}

    def find(self, texts: pa.LargeStringArray) -> Found:
        """The numbers of the units of a block of texts."""
        units = self._cutter(texts)
        if self.full:
            self._forget_some()
        known = self._count
        places, unseen = self._places(_with_keys(units))
        self.full = self._count > self.most_units or self._kept_bytes > self.most_bytes
        words = np.zeros(len(unseen), np.bool_) if units.words is None else units.words[unseen]
        return Found(places, units.rows, units.take(unseen).cast(pa.large_string()), words, known)

    def _forget_some(self) -> None:
        self._count //= 2
        self._slots[self._slots >= self._count] = 0
        self._high[self._count :] = 0
        self._others = {unit: number for unit, number in self._others.items() if number < self._count}
        self._kept_bytes = sum(map(_bytes_kept, self._others))

    def _places(self, keyed: _Keyed) -> tuple[Places, Places]:
        """The number of each unit.

        Returns:
            The numbers int64 [units], and for each number given for the first time, in order, where in `units` the
            unit stands.
        """
        units, low, high, slots = keyed
        places = self._slots.take(slots)  # a free slot leads to unit 0, which is then another one
        missed = np.flatnonzero((self._low.take(places) != low) | (self._high.take(places) != high))
        if not len(missed):
            return places, missed
        encoded = units.take(missed).dictionary_encode()
        numbers, new = self._numbers(encoded.dictionary.to_pylist())
        indices = encoded.indices.to_numpy()
        places[missed] = numbers[indices]
        first = np.empty(len(numbers), np.int64)
        first[indices[::-1]] = missed[::-1]
        unseen = first[new]
        self._remember(units, unseen, low[unseen], high[unseen], slots[unseen])
        return places, unseen

    def _numbers(self, units: list[bytes]) -> tuple[Places, npt.NDArray[np.bool_]]:
        """The number of each of these distinct units, and which of them are given one for the first time."""
        known = self._others.get
        numbers = np.fromiter((known(unit, -1) for unit in units), np.int64, len(units))
        new = numbers < 0
        numbers[new] = self._count + np.arange(int(new.sum()))
        return numbers, new

    def _remember(self, units: Units, unseen: Places, low: Keys, high: Keys, slots: Places) -> None:
        """Take in the units that were given the next numbers, in their order."""
        numbers = self._count + np.arange(len(unseen))
        self._count += len(unseen)
        self._low, self._high = grown(self._low, self._count), grown(self._high, self._count)
        # Of units that do not fit the keys are alike: they must not be found by them.
        self._low[numbers], self._high[numbers] = low, np.where(high == _TOO_LONG, 0, high)
        _, first = np.unique(slots, return_index=True)
        fits = np.zeros(len(unseen), np.bool_)
        fits[first] = True
        fits &= (high != _TOO_LONG) & (self._slots[slots] == 0)
        self._slots[slots[fits]] = numbers[fits]
        others = units.take(unseen[~fits])
        self._others.update(zip(others.to_pylist(), numbers[~fits].tolist(), strict=True))
        self._kept_bytes += sum(map(_bytes_kept, others.to_pylist()))


def _bytes_kept(unit: bytes) -> int:
    return len(unit) + 100


def grown(array: Array, size: int) -> Array:
    """The array, or a copy with room for `size` entries and more to come."""
    if size <= len(array):
        return array
    return np.concatenate([array, np.zeros(max(size, 2 * len(array)) - len(array), array.dtype)])


def _with_keys(units: Units) -> _Keyed:
    """The units with their keys."""
    starts, lengths = units.starts, units.ends - units.starts
    eight_bytes = np.ndarray((len(units.data) - 7,), "<u8", units.data, strides=(1,))
    low = eight_bytes[starts]
    low &= _LOW_BYTES.take(lengths, mode="clip")
    high = (lengths + 1 << 56).view(np.uint64)  # never 0, as the second number of no unit is
    longer = np.flatnonzero(lengths > 8)
    more = lengths[longer] - 8
    rest = eight_bytes[starts[longer] + 8] & _LOW_BYTES.take(np.minimum(more, 7))
    high[longer] = np.where(more > _SHORT - 8, _TOO_LONG, high[longer] | rest)
    slots = ((low * _MIX[0] ^ high * _MIX[1]) * _MIX[0] >> np.uint64(64 - _SLOT_BITS)).view(np.int64)
    return _Keyed(units, low, high, slots)
