"""Encode texts of which every character is a token, by a table of all characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.text.ahead import read_ahead
from pegboard.text.choosing import Loops
from pegboard.text.compiled import UNLIMITED, Kernels, address_of
from pegboard.text.encoding import UnitEncoder
from pegboard.text.ragged import concatenate, ends_kept, ragged, truncate_and_wrap
from pegboard.text.segments import offsets_of

__all__ = ["CharacterEncoder"]

_NOT_PLAIN, _UNKNOWN_YET = -1, -2
_CODE_POINTS = 0x110000
_WITH_COMPOSITIONS = ((0xA0, 0x3400), (0xA000, 0xAC00), (0xF900, 0x20000), (0x2F800, 0x2FA20))
"""Where Unicode has characters with a canonical decomposition, Hangul syllables aside."""


class CharacterEncoder(Loops):
    """Encodes what is plain by a table, and leaves the rest to another encoder that gives the same ids.

    A text is plain if no character of it changes, or is changed by, the normalization of its neighbours, each becomes
    exactly one character, and none can begin a special token.

    Args:
        others: encodes the texts that are not plain.
        normalize: the normalizer of the pipeline.
        id_of: the id of a normalized character.
        special_tokens: the tokens that are found in a text before it is normalized.
        max_length: the most ids of a text, those before and after it included.
        before: ids put before each text.
        after: ids put after each text.
        long_texts: what is kept of a text with more ids; see `UnitEncoder`.
    """

    def __init__(
        self,
        others: UnitEncoder,
        normalize: Callable[[str], str],
        id_of: Callable[[str], int],
        special_tokens: Iterable[str],
        max_length: int,
        *,
        before: Sequence[int] = (),
        after: Sequence[int] = (),
        long_texts: str = "head",
    ) -> None:
        self._others = others
        self._normalize = normalize
        self._id_of = id_of
        self._marks = {token[0] for token in special_tokens}
        self._wrapping: dict[str, Any] = {
            "max_length": max_length,
            "before": before,
            "after": after,
            "long_texts": long_texts,
        }
        self._table: npt.NDArray[np.int32] | None = None
        super().__init__(self._encode_blocks, can_be_compiled=True)

    def _encode_blocks(
        self, kernels: Kernels | None, texts: Iterable[pa.LargeStringArray]
    ) -> Iterator[pa.LargeListArray]:
        if self._table is None:
            self._table = np.full(_CODE_POINTS, _UNKNOWN_YET, np.int32)
        table = self._table
        by_table = partial(self._by_table, table) if kernels is None else partial(self._by_kernels, kernels, table)
        for block, (ids, not_plain) in read_ahead((block, by_table(block)) for block in texts):
            if not_plain.any():
                order = np.arange(len(block))
                order[not_plain] = len(block) + np.arange(int(not_plain.sum()))
                others = self._others.encode(block.filter(pa.array(not_plain)))
                yield concatenate([ids, others]).take(pa.array(order))
            else:
                yield ids

    def _by_table(
        self, table: npt.NDArray[np.int32], block: pa.LargeStringArray
    ) -> tuple[pa.LargeListArray, npt.NDArray[np.bool_]]:
        """The ids of texts, and which of them are not plain: these have no right ids."""
        borders = offsets_of(block)
        data = block.buffers()[2]
        text = memoryview(data)[borders[0] : borders[-1]] if data is not None else memoryview(b"")
        codes = np.frombuffer(str(text, "utf-8").encode("utf-32-le"), np.uint32)
        offsets = borders - borders[0]
        if len(codes) < len(text):  # some characters take several bytes
            starts_character = (np.frombuffer(text, np.uint8) & 0xC0) != 0x80
            offsets = np.concatenate([[0], np.cumsum(starts_character)])[offsets]
        values = table[codes]
        if int(values.min(initial=0)) <= _UNKNOWN_YET:
            for code in np.unique(codes[values == _UNKNOWN_YET]).tolist():
                table[code] = self._id_of_plain(chr(code))
            values = table[codes]
        not_plain = np.zeros(len(block), np.bool_)
        if int(values.min(initial=0)) < 0:
            not_plain[np.searchsorted(offsets, np.flatnonzero(values < 0), side="right") - 1] = True
        return truncate_and_wrap(values, offsets, **self._wrapping), not_plain

    def _by_kernels(
        self, kernels: Kernels, table: npt.NDArray[np.int32], block: pa.LargeStringArray
    ) -> tuple[pa.LargeListArray, npt.NDArray[np.bool_]]:
        """As `_by_table`."""
        offsets = offsets_of(block)
        before, after = (np.array(self._wrapping[side], np.int32) for side in ("before", "after"))
        around = len(before) + len(after)
        room = max(0, self._wrapping["max_length"] - around)
        ends = ends_kept(self._wrapping["long_texts"], room)
        kept = (room, ends[1]) if ends else (UNLIMITED, 0)
        not_plain, borders = np.zeros(len(block), np.bool_), np.zeros(len(block) + 1, np.int64)
        values = np.empty(int(offsets[-1] - offsets[0]) + around * len(block), np.int32)
        unknown = np.zeros(1, np.int64)
        data, row = address_of(block.buffers()[2]), 0
        tokens = before, len(before), after, len(after)
        while True:
            row = kernels.characters(
                data, offsets, row, len(block), table, *kept, *tokens, not_plain, borders, values, unknown
            )
            if row == len(block):
                return ragged(values[: borders[-1]], borders), not_plain
            table[unknown[0]] = self._id_of_plain(chr(unknown[0]))

    def _id_of_plain(self, character: str) -> int:
        if character in self._marks:
            return _NOT_PLAIN
        normal = self._normalize(character)
        if len(normal) != 1 or _interacts(character) or _interacts(normal):
            return _NOT_PLAIN
        return self._id_of(normal)


def _interacts(character: str) -> bool:
    """Whether a normalization form may reorder the character or compose it with the one before it."""
    if character.isascii():
        return False
    unassigned = unicodedata.category(character) == "Cn"  # the library may know a later version of Unicode
    return unassigned or unicodedata.combining(character) != 0 or character in _composed_with_the_one_before()


@lru_cache(maxsize=1)
def _composed_with_the_one_before() -> frozenset[str]:
    pairs = (
        unicodedata.decomposition(chr(code)).split() for start, end in _WITH_COMPOSITIONS for code in range(start, end)
    )
    seconds = {chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2 and not pair[0].startswith("<")}
    return frozenset(seconds | {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))})
