"""Encode texts by encoding each distinct unit once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa

from pegboard.text.ahead import read_ahead
from pegboard.text.choosing import Loops
from pegboard.text.compiled import Kernels
from pegboard.text.compiled_units import LONGEST_TEXT, CompiledIds, CompiledUnits, can_be_compiled
from pegboard.text.distinct import DistinctUnits, Found
from pegboard.text.long_words import LongWords
from pegboard.text.ragged import Ids, concatenate, ends_kept, truncate_and_wrap, values_and_offsets
from pegboard.text.segments import Cutter, border_from, offsets_of
from pegboard.text.unit_ids import UnitIds

__all__ = ["Encode", "UnitEncoder"]

Encode = Callable[[pa.LargeStringArray, bool, Kernels | None], pa.LargeListArray]
"""The ids of each of some units, without limit of length and without special tokens; the flag says whether the units
are normalized words. It may use compiled loops, if it is given them."""

_MOST_IDS = 32_000_000
_LONG_BYTES = 2**16
_WHOLE: dict[str, Any] = {"max_length": 0, "long_texts": "windows"}
"""how ids are wrapped of which none is left out"""


class UnitEncoder(Loops):
    """Turns texts into ids, and remembers the ids of the units it has seen; memory stays bounded.

    Several threads may use it at once.

    Args:
        cutter: how texts are cut into units that can be encoded each by itself. Where it has borders, only the
            beginning of a long text is encoded that `max_length` needs.
        encode: the ids of units.
        max_length: the most ids of a text, those before and after it included.
        before: ids put before each text.
        after: ids put after each text.
        border: a regular expression for further places where a long text may be cut.
        long_words: finds the first ids of a text that has no border; `None` if all of it has to be encoded.
        long_texts: what is kept of a text with more ids: head, tail, both, or with windows all of it.

    Example:
        >>> from pegboard.text.ragged import from_lists
        >>> def encode(units, *_):
        ...     return from_lists([[len(unit)] for unit in units.to_pylist()])
        >>> UnitEncoder(Cutter("after_space"), encode, max_length=9).encode(["to be", "to do"]).to_pylist()
        [[3, 2], [3, 2]]
    """

    def __init__(
        self,
        cutter: Cutter,
        encode: Encode,
        max_length: int,
        *,
        before: Sequence[int] = (),
        after: Sequence[int] = (),
        border: str = "",
        long_words: LongWords | None = None,
        long_texts: str = "head",
    ) -> None:
        self._cutter = cutter
        self._encode = encode
        self._ends = ends_kept(long_texts, max(0, max_length - len(before) - len(after)))
        self._wrapping: dict[str, Any] = {
            "max_length": max_length,
            "before": before,
            "after": after,
            "long_texts": long_texts,
        }
        self._border = re.compile(border) if border else None
        self._long_words = long_words
        self._idle: dict[bool, list[_Memory]] = {False: [], True: []}
        super().__init__(self._encode_blocks, can_be_compiled=can_be_compiled(cutter))

    def _encode_blocks(
        self, kernels: Kernels | None, texts: Iterable[pa.LargeStringArray]
    ) -> Iterator[pa.LargeListArray]:
        """The ids of blocks of texts; the next block is cut while this one is encoded."""
        idle = self._idle[kernels is not None]
        memory = idle.pop() if idle else _Memory(self._cutter, self._encode, kernels)
        long_texts: dict[Kernels | None, _Memory] = {}
        for block, found in read_ahead(self._found(memory, texts)):
            if found is not None:
                yield memory.ids(found, **self._wrapping)
                continue
            loops = kernels if _longest(block) <= LONGEST_TEXT else None
            if loops not in long_texts:
                long_texts[loops] = _Memory(self._cutter, self._encode, loops)
            yield self._with_long_texts(long_texts[loops], block)
        idle[:] = [memory]  # not after an error: then it has numbers for units whose ids it does not have

    def _found(
        self, memory: _Memory, texts: Iterable[pa.LargeStringArray]
    ) -> Iterator[tuple[pa.LargeStringArray, Found | None]]:
        """Blocks with their units; `None` where a text is so long that most of it will be cut off."""
        with closing(read_ahead(texts)) as ahead:
            for block in ahead:
                is_long = self._cutter.where != "never" and _longest(block) > _LONG_BYTES
                yield block, None if is_long else memory.units.find(block)

    def _with_long_texts(self, memory: _Memory, block: pa.LargeStringArray) -> pa.LargeListArray:
        """Each long text by as many bytes of its ends as `max_length` leaves of it; the others as they are."""
        if self._ends is None:
            return memory.ids(memory.units.find(block), **self._wrapping)
        long = np.diff(offsets_of(block)) > _LONG_BYTES
        others = memory.ids(memory.units.find(block.filter(pa.array(~long))), **self._wrapping)
        texts = block.filter(pa.array(long)).cast(pa.large_binary()).to_pylist()
        parts = [self._of_long_text(memory, text) for text in texts]
        order = np.empty(len(block), np.int64)
        order[~long], order[long] = np.arange(len(others)), len(others) + np.arange(len(parts))
        return concatenate([others, *parts]).take(pa.array(order))

    def _of_long_text(self, memory: _Memory, text: bytes) -> pa.LargeListArray:
        assert self._ends is not None
        first, last = self._ends
        beginning, up_to = self._beginning(memory, text, first)
        end, start = self._end(memory, text, last)
        ids = np.concatenate([beginning, end]) if up_to <= start else self._ids_of_part(memory, text)
        return truncate_and_wrap(ids, np.array([0, len(ids)]), **self._wrapping)

    def _beginning(self, memory: _Memory, text: bytes, count: int) -> tuple[Ids, int]:
        """At least the first `count` ids of a text, or all it has, and where in the text they end."""
        size, tried = _LONG_BYTES, False
        while count:
            up_to = border_from(text, size, self._cutter.where, self._border)
            part = text[:up_to]
            if self._long_words and up_to > size + 4 * _LONG_BYTES:
                found = None if tried else self._long_words.first_ids(text.decode(), count)
                if found is not None:
                    return found[0], 4 * found[1]
                part, tried = self._long_words.without_repeats(part, count), True
            ids = self._ids_of_part(memory, part)
            if up_to == len(text) or len(ids) >= count:
                return ids, up_to
            size *= 8
        return np.zeros(0, np.int32), 0

    def _end(self, memory: _Memory, text: bytes, count: int) -> tuple[Ids, int]:
        """At least the last `count` ids of a text, or all it has, and where in the text they start.

        The first piece after the place where the text is cut may have other ids there than in the middle of the text,
        as where a tokenizer puts a space before every text: its ids are left out.
        """
        size = _LONG_BYTES
        while count and size < len(text):
            before = border_from(text, len(text) - size, self._cutter.where, self._border)
            start = border_from(text, before + 1, self._cutter.where, self._border)
            ids = self._ids_of_part(memory, text[before:])[len(self._ids_of_part(memory, text[before:start])) :]
            if len(ids) >= count:
                return ids, start
            size *= 8
        return (self._ids_of_part(memory, text), 0) if count else (np.zeros(0, np.int32), len(text))

    def _ids_of_part(self, memory: _Memory, text: bytes) -> Ids:
        """All ids of a text or of a part of one; a part without borders may be as long as the text."""
        if self._long_words and len(text) > 4 * _LONG_BYTES:
            text = self._long_words.without_ends(text)
        return memory.ids_of_part(text)


def _longest(block: pa.LargeStringArray) -> int:
    return int(np.diff(offsets_of(block)).max(initial=0))


class _Memory:
    """The units seen so far, and their ids.

    One thread may find units while another one learns and gathers those of the blocks before.
    """

    def __init__(self, cutter: Cutter, encode: Encode, kernels: Kernels | None = None) -> None:
        self.units = DistinctUnits(cutter) if kernels is None else CompiledUnits(cutter, kernels)
        self._ids = UnitIds() if kernels is None else CompiledIds(kernels)
        self._encode = encode
        self._kernels = kernels

    def ids(self, found: Found, **wrapping: Any) -> pa.LargeListArray:
        """The ids of a block of texts; what it is `wrapped` in, see `truncate_and_wrap`."""
        self._learn(found)
        return self._ids.gather(found, **wrapping)

    def ids_of_part(self, text: bytes) -> Ids:
        """All ids of a text or of a part of one."""
        return values_and_offsets(self.ids(self.units.find(pa.array([text.decode()], pa.large_string())), **_WHOLE))[0]

    def _learn(self, found: Found) -> None:
        """Encode the units that are seen for the first time."""
        self._ids.forget_from(found.known)
        for are_words in (False, True):
            some = np.flatnonzero(found.are_words == are_words)
            if len(some):
                units = found.new if len(some) == len(found.new) else found.new.take(pa.array(some))
                self._ids.keep(found.known + some, *values_and_offsets(self._encode(units, are_words, self._kernels)))
        if self._ids.used > _MOST_IDS:
            self.units.full = True
