"""Find units and gather ids with compiled loops; the ids are those that `distinct.py` and `unit_ids.py` give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.text.ascii_words import AsciiWords
from pegboard.text.compiled import UNLIMITED, Kernels, address_of
from pegboard.text.distinct import DistinctUnits, Found, grown
from pegboard.text.ragged import ends_kept, ragged
from pegboard.text.segments import Cutter, offsets_of
from pegboard.text.unit_ids import UnitIds

__all__ = ["CompiledIds", "CompiledUnits", "can_be_compiled"]

_SLOT_BITS = 16
_WHITE_SPACE = b"\t\n\v\f\r"


def can_be_compiled(cutter: Cutter) -> bool:
    """Whether the loops know the cutter's rules: white space and its kinds are as they are in every usual pipeline."""
    rules = cutter.words
    if rules is None:
        return cutter.where != "never"
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

    _table: npt.NDArray[np.uint64]
    _arena: npt.NDArray[np.uint8]
    _state: npt.NDArray[np.int64]

    def __init__(self, cutter: Cutter, kernels: Kernels) -> None:
        super().__init__(cutter)
        self._kernels = kernels
        rules = cutter.words
        tables = (rules.kinds, rules.normalized) if rules is not None else (bytes(256), bytes(256))
        kinds, normalized = (np.frombuffer(table, np.uint8).astype(np.uint16) for table in tables)
        self._rules = kinds << 8 | normalized

    def find(self, texts: pa.LargeStringArray) -> Found:
        """The numbers of the units of a block of texts."""
        if restarted := self.full:
            self._forget()
        offsets = offsets_of(texts)
        size = int(offsets[-1] - offsets[0])
        used, known = (int(number) for number in self._state)
        self._arena = grown(self._arena, used + size + 2 * len(texts))
        rows, places = np.zeros(len(offsets), np.int64), np.empty(size, np.int32)
        ends, are_words = np.empty(size, np.int64), np.empty(size, np.bool_)
        row = 0
        while True:
            row = self._go_on(texts, offsets, row, ends, are_words, known, places, rows)
            if row == len(texts):
                break
            self._enlarge(int(self._state[1] + offsets[row + 1] - offsets[row]))
        end, count = (int(number) for number in self._state)
        self.full = count > self.most_units or end > self.most_bytes
        borders = np.concatenate([np.zeros(1, np.int64), ends[: count - known] - used])
        seen = pa.py_buffer(self._arena[used:end].copy())
        new = pa.LargeStringArray.from_buffers(count - known, pa.py_buffer(borders), seen)
        return Found(places[: rows[-1]], rows, new, are_words[: count - known], restarted)

    def _go_on(
        self,
        texts: pa.LargeStringArray,
        offsets: npt.NDArray[np.int64],
        row: int,
        ends: npt.NDArray[np.int64],
        are_words: npt.NDArray[np.bool_],
        known: int,
        places: npt.NDArray[np.int32],
        rows: npt.NDArray[np.int64],
    ) -> int:
        """Number the units from a text on; gives the text before which the table must be enlarged, or their number."""
        data = address_of(texts.buffers()[2]), offsets, row, len(texts)
        state = self._table, 64 - self._bits, self._arena, self._state, ends, are_words, known, places, rows
        before_space = int(self._cutter.where == "before_space")
        rules = self._cutter.words
        if rules is None:
            return self._kernels.find_segments(*data, before_space, *state)
        if before_space:
            return self._kernels.find_words_after_spaces(*data, self._rules, int(rules.adds_space), *state)
        return self._kernels.find_words(*data, self._rules, *state)

    def _forget(self) -> None:
        self._state = np.zeros(2, np.int64)
        self._bits = _SLOT_BITS
        self._table = np.zeros((1 << self._bits, 4), np.uint64)
        self._arena = np.zeros(2**20, np.uint8)

    def _enlarge(self, count: int) -> None:
        bits = max(self._bits + 1, (2 * count).bit_length())
        larger = np.zeros((1 << bits, 4), np.uint64)
        self._kernels.rehash(self._table, 64 - self._bits, larger, 64 - bits)
        self._table, self._bits = larger, bits


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
        units = found.places, found.rows, texts, self._firsts
        offsets = np.empty(texts + 1, np.int64)
        count = self._kernels.lengths(*units, UNLIMITED if ends is None else room, more, offsets)
        values = np.empty(count, np.int32)
        tokens = [argument for ids in around for argument in (ids, len(ids))]
        self._kernels.fill(*units, self._starts, self._ids, ends[1] if ends else 0, *tokens, offsets, values)
        return ragged(values, offsets)
