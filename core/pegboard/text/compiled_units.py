"""Find units and gather ids with compiled loops; the ids are those that `distinct.py` and `unit_ids.py` give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.text.ascii_words import AsciiWords
from pegboard.text.compiled import UNLIMITED, Kernels, address_of
from pegboard.text.distinct import DistinctUnits, Found, grown
from pegboard.text.kernels import (
    ACCEPTS,
    ALONE_KIND,
    AT_ONCE,
    BECOMES,
    FREQUENT,
    GAP_KIND,
    KINDS,
    LONG,
    NOT_PLAIN_KIND,
    SPACE_KIND,
)
from pegboard.text.ragged import ends_kept, ragged
from pegboard.text.segments import Cutter, offsets_of
from pegboard.text.unit_ids import UnitIds

__all__ = ["LONGEST_TEXT", "CompiledIds", "CompiledUnits", "can_be_compiled"]

LONGEST_TEXT = 2**24 - 1
"""Bytes of the longest text whose units can be found: a key has 24 bits for a unit's length."""

_SLOT_BITS = 16
_LINE_BYTES = 64
_KINDS = {
    AsciiWords.GAP: GAP_KIND,
    AsciiWords.ALONE: ALONE_KIND,
    AsciiWords.SPACE: SPACE_KIND,
    AsciiWords.NOT_PLAIN: NOT_PLAIN_KIND,
}
_WHITE_SPACE = b"\t\n\v\f\r"


def can_be_compiled(cutter: Cutter) -> bool:
    """Whether the loops know the cutter's rules: white space and its kinds are as they are in every usual pipeline."""
    rules = cutter.words
    if rules is None:
        return cutter.where != "never"
    if len(set(rules.kinds)) > KINDS - len(_KINDS):
        return False
    space = rules.kinds[ord(" ")]
    if cutter.where == "before_space":
        return space == AsciiWords.SPACE and all(rules.kinds[byte] == AsciiWords.NOT_PLAIN for byte in _WHITE_SPACE)
    return space in (AsciiWords.GAP, AsciiWords.ALONE, AsciiWords.NOT_PLAIN)


class CompiledUnits(DistinctUnits):
    """Gives each distinct unit a number, several times as fast.

    Some units may get a number although they turn out not to be needed.

    Args:
        cutter: how texts are cut into units; see `can_be_compiled`.
        kernels: the compiled loops.
    """

    def __init__(self, cutter: Cutter, kernels: Kernels) -> None:
        self._kernels = kernels
        self._rules = _packed(cutter.words)
        self._state = np.zeros(2, np.int64)
        self._arena = np.zeros(2**20, np.uint8)
        self._keys = np.empty((0, 2), np.uint64)
        self._ends, self._are_words = np.empty(0, np.int64), np.empty(0, np.bool_)
        self._frequent = np.zeros((FREQUENT, 3), np.uint64)
        self._new_slots(_SLOT_BITS)
        super().__init__(cutter)

    def find(self, texts: pa.LargeStringArray) -> Found:
        """The numbers of the units of a block of texts."""
        if self.full:
            self._forget_some()
        offsets = offsets_of(texts)
        size = int(offsets[-1] - offsets[0])
        used, known = (int(number) for number in self._state)
        longest = int(np.diff(offsets).max(initial=0))
        self._arena = grown(self._arena, used + size + 2 * len(texts) + longest)
        rows, places = np.zeros(len(offsets), np.int64), np.empty(size, np.int32)
        if size > len(self._ends):  # kept for the next block: so much memory takes long to get
            self._ends, self._are_words = np.empty(size, np.int64), np.empty(size, np.bool_)
        ends, are_words = self._ends, self._are_words
        room = _room(longest)
        row = 0
        while True:
            row = self._go_on(texts, offsets, row, room, ends, are_words, known, places, rows)
            if row == len(texts):
                break
            self._new_slots(self._bits + 1)
        end, count = (int(number) for number in self._state)
        self.full = count > self.most_units or end > self.most_bytes
        borders = np.concatenate([np.zeros(1, np.int64), ends[: count - known] - used])
        seen = pa.py_buffer(self._arena[used:end].copy())
        new = pa.LargeStringArray.from_buffers(count - known, pa.py_buffer(borders), seen)
        return Found(places[: rows[-1]], rows, new, are_words[: count - known].copy(), known)

    def _go_on(
        self,
        texts: pa.LargeStringArray,
        offsets: npt.NDArray[np.int64],
        row: int,
        room: Sequence[npt.NDArray[Any]],
        ends: npt.NDArray[np.int64],
        are_words: npt.NDArray[np.bool_],
        known: int,
        places: npt.NDArray[np.int32],
        rows: npt.NDArray[np.int64],
    ) -> int:
        """Number the units from a text on; gives the text before which there must be more slots, or their number."""
        rules = self._cutter.words
        return self._kernels.find(
            address_of(texts.buffers()[2]),
            offsets,
            row,
            len(texts),
            int(self._cutter.where == "before_space"),
            int(rules is not None),
            self._rules,
            int(rules is not None and rules.adds_space),
            *room,
            self._frequent,
            self._wide_slots,
            64 - self._bits,
            self._keys,
            self._arena,
            self._state,
            ends,
            are_words,
            known,
            places,
            rows,
        )

    def _forget_some(self) -> None:
        kept = int(self._state[1]) // 2
        high = self._keys[:kept, 1]
        sizes = np.where(high >= LONG, high >> np.uint64(32) & np.uint64(0xFFFFFF), high >> np.uint64(56))
        self._state[:] = sizes.sum(), kept
        self._frequent[:] = 0
        self._wide_slots[:] = 0
        self._fill_slots()

    def _new_slots(self, bits: int) -> None:
        known = int(self._state[1])
        keys = np.empty((1 << bits - 1, 2), np.uint64)
        keys[:known] = self._keys[:known]
        self._bits, self._keys, self._wide_slots = bits, keys, _free_slots(bits)
        self._fill_slots()

    def _fill_slots(self) -> None:
        self._kernels.fill_wide_slots(self._keys, int(self._state[1]), self._wide_slots, 64 - self._bits)


def _free_slots(bits: int) -> npt.NDArray[np.uint64]:
    """Wide slots, 2 to the power of `bits`; a line of the processor's cache begins where they do."""
    size = 4 << bits
    numbers = np.zeros(size + _LINE_BYTES // 8, np.uint64)
    first = -int(numbers.__array_interface__["data"][0]) % _LINE_BYTES // 8
    return numbers[first : first + size]


def _room(longest: int) -> tuple[npt.NDArray[Any], ...]:
    """Room to work in for the loop `find`, by the number of bytes of the longest text."""
    return (
        np.empty(longest + 17, np.uint8),
        np.empty(longest + 1, np.int64),
        np.empty((AT_ONCE + longest, 4), np.uint64),
    )


def _packed(rules: AsciiWords | None) -> npt.NDArray[np.uint64]:
    """What the loop `find` is told of each byte."""
    if rules is None:
        return np.zeros(256, np.uint64)
    kinds = dict(_KINDS)
    for kind in rules.kinds:
        kinds.setdefault(kind, 1 << len(kinds))
    packed = []
    for kind, becomes in zip(rules.kinds, rules.normalized, strict=True):
        accepts = kinds[kind]
        if kind == AsciiWords.ALONE:
            accepts = 0
        elif kind == AsciiWords.SPACE:
            accepts = ((1 << KINDS) - 1) & ~SPACE_KIND
        packed.append(kinds[kind] | becomes << BECOMES | accepts << ACCEPTS)
    return np.array(packed, np.uint64)


class CompiledIds(UnitIds):
    """The ids of numbered units, gathered by compiled loops.

    Args:
        kernels: the compiled loops.
    """

    def __init__(self, kernels: Kernels) -> None:
        super().__init__()
        self._kernels = kernels

    def gather(
        self,
        found: Found,
        *,
        max_length: int,
        before: Sequence[int] = (),
        after: Sequence[int] = (),
        long_texts: str = "head",
    ) -> pa.LargeListArray:
        """The ids of texts; see `UnitIds.gather`."""
        around = [np.array(tokens, np.int32) for tokens in (before, after)]
        more = len(before) + len(after)
        room = max(0, max_length - more)
        ends = ends_kept(long_texts, room)
        texts = len(found.rows) - 1
        offsets, ids_of = np.empty(texts + 1, np.int64), np.empty(len(found.places), np.int64)
        limits = UNLIMITED if ends is None else room, more
        count = self._kernels.lengths(found.places, found.rows, texts, self._ids_of, *limits, ids_of, offsets)
        values = np.empty(count, np.int32)
        tokens = [argument for ids in around for argument in (ids, len(ids))]
        last = ends[1] if ends else 0
        self._kernels.fill(ids_of, found.rows, texts, self._ids, last, *tokens, offsets, values)
        return ragged(values, offsets)
