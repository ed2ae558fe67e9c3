"""Encode texts by encoding each distinct unit once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.text.ahead import read_ahead
from pegboard.text.distinct import DistinctUnits, Keyed, grown, with_keys
from pegboard.text.ragged import Ids, concatenate, ends_kept, from_lists, truncate_and_wrap, values_and_offsets
from pegboard.text.segments import Cut, Units, blocks, border_from, offsets_of

__all__ = ["Encode", "UnitEncoder"]

Encode = Callable[[list[str], bool], Sequence[Sequence[int]] | pa.LargeListArray]
"""The ids of each of a list of units, without limit of length and without special tokens; the flag says whether the
units are normalized words."""

_MOST_UNITS = 4_000_000
_MOST_IDS = 32_000_000
_MOST_BYTES = 128 * 2**20
_LONG_BYTES = 2**16
_AT_ONCE = 16
"""Ids of a unit that are placed one by one, for all units together; what is longer is rare."""


class UnitEncoder:
    """Turns texts into ids, and remembers the ids of the units it has seen; memory stays bounded.

    Several threads may use it at once.

    Args:
        cut: cuts a block of texts into units that can be encoded each by itself.
        encode: the ids of units.
        max_length: the most ids of a text, those before and after it included.
        before: ids put before each text.
        after: ids put after each text.
        where: where texts may be cut; of a long text then only as much is encoded as `max_length` leaves of it.
        border: a regular expression for further such places.
        long_texts: what is kept of a text with more ids: head, tail, both, or with windows all of it.

    Example:
        >>> encoder = UnitEncoder(
        ...     lambda texts: cut(texts, "after_space"), lambda units, _: [[len(unit)] for unit in units], max_length=9
        ... )
        >>> encoder.encode(["to be", "to do"]).to_pylist()
        [[3, 2], [3, 2]]
    """

    def __init__(
        self,
        cut: Callable[[pa.LargeStringArray], Units],
        encode: Encode,
        max_length: int,
        *,
        before: Sequence[int] = (),
        after: Sequence[int] = (),
        where: Cut = "never",
        border: str = "",
        long_texts: str = "head",
    ) -> None:
        self._cut = cut
        self._encode = encode
        self._ends = ends_kept(long_texts, max(0, max_length - len(before) - len(after)))
        self._wrapping: dict[str, Any] = {
            "max_length": max_length,
            "before": before,
            "after": after,
            "long_texts": long_texts,
        }
        self._where = where
        self._border = re.compile(border) if border else None
        self._lock = threading.Lock()
        self._forget()

    def encode(self, texts: Iterable[str] | pa.Array | pa.ChunkedArray) -> pa.LargeListArray:
        """The ids of each text, `large_list<int32>`.

        Raises:
            DataError: a text is missing or is not a Unicode string.
        """
        return concatenate(list(self.encode_blocks(blocks(texts))))

    def encode_blocks(self, texts: Iterable[pa.LargeStringArray]) -> Iterator[pa.LargeListArray]:
        """The ids of blocks of texts, block by block; the next block is cut while this one is encoded."""
        for block, units in read_ahead((block, self._cut_short(block)) for block in texts):
            yield self._of_units(units) if units is not None else self._with_long_texts(block)

    def _cut_short(self, block: pa.LargeStringArray) -> Keyed | None:
        """The units of a block; `None` if it has a text so long that most of it will be cut off."""
        if self._ends and self._where != "never" and int(np.diff(offsets_of(block)).max(initial=0)) > _LONG_BYTES:
            return None
        return with_keys(self._cut(block))

    def _with_long_texts(self, block: pa.LargeStringArray) -> pa.LargeListArray:
        """Each long text by as many bytes of its ends as `max_length` leaves of it; the others as they are."""
        long = np.diff(offsets_of(block)) > _LONG_BYTES
        others = self._of_units(with_keys(self._cut(block.filter(pa.array(~long)))))
        parts = [self._of_long_text(text) for text in block.filter(pa.array(long)).cast(pa.large_binary()).to_pylist()]
        order = np.empty(len(block), np.int64)
        order[~long], order[long] = np.arange(len(others)), len(others) + np.arange(len(parts))
        return concatenate([others, *parts]).take(pa.array(order))

    def _of_long_text(self, text: bytes) -> pa.LargeListArray:
        assert self._ends is not None
        first, last = self._ends
        beginning, up_to = self._beginning(text, first)
        end, start = self._end(text, last)
        ids = np.concatenate([beginning, end]) if up_to <= start else self._ids_of_part(text)
        return truncate_and_wrap(ids, np.array([0, len(ids)]), **self._wrapping)

    def _beginning(self, text: bytes, count: int) -> tuple[Ids, int]:
        """At least the first `count` ids of a text, or all it has, and where in the text they end."""
        size = _LONG_BYTES
        while count:
            up_to = border_from(text, size, self._where, self._border)
            ids = self._ids_of_part(text[:up_to])
            if up_to == len(text) or len(ids) >= count:
                return ids, up_to
            size *= 8
        return np.zeros(0, np.int32), 0

    def _end(self, text: bytes, count: int) -> tuple[Ids, int]:
        """At least the last `count` ids of a text, or all it has, and where in the text they start.

        The first piece after the place where the text is cut may have other ids there than in the middle of the text,
        as where a tokenizer puts a space before every text: its ids are left out.
        """
        size = _LONG_BYTES
        while count and size < len(text):
            before = border_from(text, len(text) - size, self._where, self._border)
            start = border_from(text, before + 1, self._where, self._border)
            ids = self._ids_of_part(text[before:])[len(self._ids_of_part(text[before:start])) :]
            if len(ids) >= count:
                return ids, start
            size *= 8
        return (self._ids_of_part(text), 0) if count else (np.zeros(0, np.int32), len(text))

    def _ids_of_part(self, text: bytes) -> Ids:
        """All ids of a text or of a part of one."""
        return self._ids_of_units(with_keys(self._cut(pa.array([text.decode()], pa.large_string()))))[0]

    def _of_units(self, keyed: Keyed) -> pa.LargeListArray:
        values, offsets = self._ids_of_units(keyed)
        return truncate_and_wrap(values, offsets[keyed.units.rows], **self._wrapping)

    def _ids_of_units(self, keyed: Keyed) -> tuple[Ids, npt.NDArray[np.int64]]:
        """The ids of units one after another, and where those of each unit start, and the last ones end."""
        units = keyed.units
        with self._lock:
            if self._units.count > _MOST_UNITS or self._used > _MOST_IDS or self._units.kept_bytes > _MOST_BYTES:
                self._forget()
            places, unseen = self._units.places(keyed)
            try:
                if len(unseen):
                    self._learn(units, unseen)
            except BaseException:
                self._forget()  # it has numbers for units whose ids it does not have
                raise
            return self._gather(places)

    def _forget(self) -> None:
        self._units = DistinctUnits()
        self._firsts = np.zeros(1024, np.int64)
        self._starts = np.zeros(1024, np.int64)
        self._ids = np.zeros(4096, np.int32)
        self._used = 0

    def _learn(self, units: Units, unseen: npt.NDArray[np.int64]) -> None:
        """Encode units that are seen for the first time, in the order of their numbers."""
        texts = units.take(unseen).cast(pa.large_string())
        words = np.zeros(len(unseen), np.bool_) if units.words is None else units.words[unseen]
        for are_words in (False, True):
            some = np.flatnonzero(words == are_words)
            if len(some):
                given = self._encode(texts.take(pa.array(some)).to_pylist(), are_words)
                ids, offsets = values_and_offsets(given if isinstance(given, pa.Array) else from_lists(given))
                self._keep(self._units.count - len(unseen) + some, ids, offsets)

    def _keep(self, places: npt.NDArray[np.int64], ids: Ids, offsets: npt.NDArray[np.int64]) -> None:
        """Remember the ids of units: their number and the first of them apart, since most units have no other."""
        counts = np.diff(offsets)
        self._firsts = grown(self._firsts, self._units.count)
        self._starts = grown(self._starts, self._units.count)
        self._ids = grown(self._ids, self._used + len(ids))
        self._firsts[places] = counts << 32
        self._firsts[places[counts > 0]] |= ids[offsets[:-1][counts > 0]]
        self._starts[places] = self._used + offsets[:-1]
        self._ids[self._used : self._used + len(ids)] = ids
        self._used += len(ids)

    def _gather(self, places: npt.NDArray[np.int64]) -> tuple[Ids, npt.NDArray[np.int64]]:
        """The ids of units one after another, and where those of each unit start, and the last ones end."""
        firsts = self._firsts.take(places)
        counts = firsts >> 32
        offsets = np.zeros(len(places) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        if len(places) == offsets[-1] and int(counts.min(initial=1)) == 1:
            return firsts.astype(np.int32), offsets
        targets = offsets[:-1]
        if len(places) and int(counts.min()) == 0:
            some = np.flatnonzero(counts)
            places, counts, targets, firsts = places[some], counts[some], targets[some], firsts[some]
        values = np.empty(int(offsets[-1]), np.int32)
        values[targets] = firsts.astype(np.int32)
        longer = np.flatnonzero(counts > 1)
        targets, starts, counts = targets[longer], self._starts[places[longer]], counts[longer]
        for position in range(1, _AT_ONCE):
            if not len(counts):
                return values, offsets
            values[targets + position] = self._ids[starts + position]
            longer = np.flatnonzero(counts > position + 1)
            targets, starts, counts = targets[longer], starts[longer], counts[longer]
        for target, start, count in zip(targets.tolist(), starts.tolist(), counts.tolist(), strict=True):
            values[target : target + count] = self._ids[start : start + count]
        return values, offsets
