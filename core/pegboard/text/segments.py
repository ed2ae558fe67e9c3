"""Cut texts into units: stretches of bytes that can be encoded each by itself.

Text follows Zipf's law, so a corpus has few distinct units; a tokenizer whose work on a unit does not depend on its
neighbours needs to see each distinct one only once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.errors import DataError
from pegboard.text.ascii_words import AsciiWords
from pegboard.text.ragged import ranges

__all__ = [
    "BLOCK_BYTES",
    "Cut",
    "Cutter",
    "Units",
    "as_arrow",
    "blocks",
    "border_from",
    "cut",
    "cut_words",
    "cut_words_after_spaces",
    "offsets_of",
]

Cut = Literal["after_space", "before_space", "never"]
"""Where a text is cut: after each space, before each run of white space that a space begins, or nowhere."""

PADDING = 16
"""Bytes that follow a block's own, so that eight bytes can be read from wherever a unit starts."""

_SPACE = 0x20
_NOT_PLAIN = AsciiWords.NOT_PLAIN
BLOCK_BYTES = 2**21
_LOOK_AHEAD_BYTES = 2**16
_ASCII_WHITE_SPACE = np.isin(np.arange(256), list(b" \t\n\v\f\r"))
_WIDE_WHITE_SPACE = [
    chr(point).encode()
    for point in (0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
]
_SPACE_AFTER_A_WORD = re.compile(
    rb"[^ \t\n\v\f\r]" + b"".join(b"(?<!%b)" % re.escape(character) for character in _WIDE_WHITE_SPACE) + b" "
)


class Units(NamedTuple):
    """The units of a block of texts, in reading order. What lies between two units, no token comes from.

    Attributes:
        data: the texts' bytes one after another, and `PADDING` bytes more.
        starts: int64 [units]; unit u is `data[starts[u] : ends[u]]`.
        ends: int64 [units]
        rows: int64 [texts + 1]; text i has the units `rows[i]` to `rows[i + 1]`.
        words: bool [units]; true where the unit is a word, normalized already; `None` where none is.
    """

    data: bytes | bytearray
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    words: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        """Number of units."""
        return len(self.starts)

    def take(self, units: npt.NDArray[np.int64]) -> pa.LargeBinaryArray:
        """The bytes of some units, by their numbers, which ascend."""
        borders = np.empty(2 * len(units) + 1, np.int64)
        borders[:-1:2], borders[1::2] = self.starts[units], self.ends[units]
        borders[-1] = len(self.data)
        with_gaps = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), 2 * len(units), [None, pa.py_buffer(borders), pa.py_buffer(self.data)]
        )
        return with_gaps.take(pa.array(np.arange(0, 2 * len(units), 2)))


@dataclass(frozen=True)
class Cutter:
    """How texts are cut into units.

    Attributes:
        where: the borders of segments.
        words: the rules by which a segment of plain ASCII is cut into normalized words; `None` if segments are units.
    """

    where: Cut
    words: AsciiWords | None = None

    def __call__(self, texts: pa.LargeStringArray) -> Units:
        """The units of a block of texts."""
        if self.words is None:
            return cut(texts, self.where)
        return cut_words_after_spaces(texts, self.words) if self.words.space_first else cut_words(texts, self.words)


def as_arrow(texts: Iterable[str] | pa.Array | pa.ChunkedArray, *, first: int = 0) -> pa.LargeStringArray:
    """Texts as one Arrow array of `large_string`; a single string counts as one text.

    Args:
        texts: the texts.
        first: the number of the first one in what the caller was given, for the message of an error.

    Raises:
        DataError: a text is missing, is not a string, or holds a lone surrogate (which has no UTF-8 form).

    Example:
        >>> as_arrow(["to be"]).type
        DataType(large_string)
    """
    if not isinstance(texts, (pa.Array, pa.ChunkedArray)):
        return _array_of_strings([texts] if isinstance(texts, str) else list(texts), first)
    if texts.null_count:
        raise DataError("a text is missing", where=f"texts[{first + _first_null(texts)}]")
    if len(texts) and not _is_text(texts.type):
        raise DataError(f"expected a column of text, not of {texts.type}")
    texts = texts.cast(pa.large_string())
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError(f"the texts are not valid UTF-8: {error}") from None
    return texts


def _array_of_strings(texts: list[Any], first: int) -> pa.LargeStringArray:
    for position, text in enumerate(texts, start=first):
        if not isinstance(text, str):
            what = "a text is missing" if text is None else f"expected a string, not {type(text).__name__}"
            raise DataError(what, where=f"texts[{position}]")
    try:
        return pa.array(texts, pa.large_string())
    except UnicodeEncodeError:
        position, text = next((i, text) for i, text in enumerate(texts, first) if _lone_surrogate(text) >= 0)
        raise DataError(
            f"character {_lone_surrogate(text)} is a lone surrogate, which is not Unicode text",
            where=f"texts[{position}]",
            hint="read the source with errors='replace', or mend it",
        ) from None


def _lone_surrogate(text: str) -> int:
    return next((i for i, character in enumerate(text) if "\ud800" <= character <= "\udfff"), -1)


def _first_null(texts: pa.Array | pa.ChunkedArray) -> int:
    return int(np.argmax(texts.is_null().to_numpy(zero_copy_only=False)))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or str(kind) == "string_view"


def blocks(texts: Iterable[str] | pa.Array | pa.ChunkedArray) -> Iterator[pa.LargeStringArray]:
    """`texts` in consecutive blocks of about 2 MiB, which the processor's cache holds.

    Raises:
        DataError: see `as_arrow`.
    """
    from pegboard.text.texts import Texts

    if not isinstance(texts, Texts):
        array = as_arrow(texts)
        texts = Texts(lambda: iter([array]), len(array))
    yield from texts.blocks(BLOCK_BYTES)


def cut(texts: pa.LargeStringArray, where: Cut) -> Units:
    """Cut each text.

    A space (U+0020) is a border for Unicode too: no normalization form composes or reorders across it, and no context
    rule of lower-casing looks past it.

    Example:
        >>> units = cut(as_arrow(["to be or", "be to"]), "after_space")
        >>> units.take(np.arange(5)).to_pylist(), units.rows.tolist()
        ([b'to ', b'be ', b'or', b'be ', b'to'], [0, 3, 5])
    """
    data, offsets = _bytes_and_offsets(texts)
    if where == "never":
        return Units(data, offsets[:-1], offsets[1:], np.arange(len(texts) + 1))
    flat = np.frombuffer(data, np.uint8, len(data) - PADDING)
    borders = np.flatnonzero(_starts(flat, offsets, where))
    return Units(data, borders[:-1], borders[1:], np.searchsorted(borders, offsets))


def cut_words(texts: pa.LargeStringArray, rules: AsciiWords) -> Units:
    """Cut each text into normalized words where it is plain ASCII; the rest after each space."""
    flat, offsets, data, kinds = _by_rules(texts, rules)
    starts = _starts_of_kinds(kinds)
    starts[offsets] = True
    _leave_whole(flat, offsets, kinds, data, starts, "after_space")
    in_unit = np.zeros(len(flat) + 2, np.bool_)
    np.not_equal(kinds, rules.GAP, out=in_unit[1:-1])
    first = np.flatnonzero(starts & in_unit[1:])
    ends = np.flatnonzero(starts & in_unit[:-1])
    return Units(data, first, ends, np.searchsorted(first, offsets), kinds[first] != rules.NOT_PLAIN)


def cut_words_after_spaces(texts: pa.LargeStringArray, rules: AsciiWords) -> Units:
    """Cut each text into normalized words, each with the space before it, where it is plain ASCII.

    The rest is cut before each run of white space that a space begins. Where the rules say so, a text that begins with
    a word is given a space in front of it.
    """
    added = np.zeros(len(texts), np.bool_)
    if rules.adds_space:
        texts, added = _with_space_in_front(texts)
    flat, offsets, data, kinds = _by_rules(texts, rules)
    is_space = kinds == rules.SPACE
    ends = offsets[1:][np.diff(offsets) > 0] - 1
    kinds[:-1][is_space[:-1] & is_space[1:]] = rules.NOT_PLAIN
    kinds[ends[is_space[ends]]] = rules.NOT_PLAIN  # no word comes after it
    starts = _starts_of_kinds(kinds)
    starts[1:] &= ~is_space
    starts[:-1] |= is_space
    starts[offsets] = True
    first = _leave_whole(flat, offsets, kinds, data, starts, "before_space")
    not_there = first[np.isin(first, offsets[:-1][added])]  # the library adds a space itself, if it should
    kinds[not_there] = rules.GAP
    starts[not_there + 1] = True
    borders = np.flatnonzero(starts)
    units = np.flatnonzero(kinds[borders[:-1]] != rules.GAP)
    begin, end = borders[units], borders[units + 1]
    return Units(data, begin, end, np.searchsorted(begin, offsets), kinds[begin] != rules.NOT_PLAIN)


def _by_rules(
    texts: pa.LargeStringArray, rules: AsciiWords
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], bytearray, npt.NDArray[np.uint8]]:
    """The bytes of texts, where each text begins, the bytes normalized (and `PADDING` more), and their kinds."""
    raw, offsets = _bytes_and_offsets(texts)
    size = len(raw) - PADDING
    kinds = np.frombuffer(bytearray(raw).translate(rules.kinds), np.uint8, size)
    return np.frombuffer(raw, np.uint8, size), offsets, bytearray(raw).translate(rules.normalized), kinds


def _starts_of_kinds(kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Where a character is of another kind than the one before it, or stands alone: bool [bytes + 1]."""
    starts = np.empty(len(kinds) + 1, np.bool_)
    np.not_equal(kinds[1:], kinds[:-1], out=starts[1:-1])
    starts[:-1] |= kinds == AsciiWords.ALONE
    return starts


def _with_space_in_front(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, npt.NDArray[np.bool_]]:
    """The texts, each but the empty ones with a space in front, and which of them were given it."""
    import pyarrow.compute as pc

    lead = pc.utf8_slice_codeunits(texts, 0, 1)
    added = pc.invert(pc.or_(pc.equal(lead, ""), pc.equal(lead, " ")))
    space, nothing = (pa.scalar(text, pa.large_string()) for text in (" ", ""))
    joined = pc.binary_join_element_wise(pc.if_else(added, space, nothing), texts, nothing)
    return joined, added.to_numpy(zero_copy_only=False)


def _leave_whole(
    flat: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
    data: bytearray,
    starts: npt.NDArray[np.bool_],
    where: Cut,
) -> npt.NDArray[np.int64]:
    """Make a unit of each segment that holds something not plain, with its own bytes; gives where they start."""
    not_plain = np.flatnonzero(kinds == _NOT_PLAIN)
    if not len(not_plain):
        return not_plain
    borders = np.flatnonzero(_starts(flat, offsets, where))
    hit = np.searchsorted(borders, not_plain, side="right") - 1
    hit = hit[np.flatnonzero(np.diff(hit, prepend=-1))]
    first, last = borders[hit], borders[hit + 1]
    inside = ranges(first, last - first)
    kinds[inside] = _NOT_PLAIN
    np.frombuffer(data, np.uint8)[inside] = flat[inside]
    starts[inside] = False
    starts[first] = starts[last] = True
    return first


def border_from(text: bytes, position: int, where: Cut, more: re.Pattern[str] | None = None) -> int:
    """The first place after `position` where a text may be cut in two; its end if there is none.

    Args:
        text: UTF-8.
        position: a place in it.
        where: which spaces are borders.
        more: matches, with no character of its own, further places.

    Example:
        >>> border_from(b"to be or", 3, "after_space"), border_from(b"to be or", 3, "before_space")
        (6, 5)
    """
    at = text.find(b" ", position)
    if where == "before_space" and at > 0:
        found = _SPACE_AFTER_A_WORD.search(text, at - 1)
        at = found.end() - 1 if found else -1
    end = len(text) if at < 0 or where == "never" else at + (where == "after_space")
    if more is None:
        return end
    while position < end and text[position] & 0xC0 == 0x80:  # within a character
        position += 1
    stretch = text[position : min(end, position + _LOOK_AHEAD_BYTES)].decode("utf-8", "ignore")
    border = more.search(stretch, 1)
    return position + len(stretch[: border.start()].encode()) if border else end


def offsets_of(texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
    """Where each text starts in the array's bytes, and where the last one ends, int64 [texts + 1], uncopied."""
    buffer = texts.buffers()[1]
    if buffer is None or len(texts) == 0:
        return np.zeros(1, np.int64)
    return np.frombuffer(buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]


def _bytes_and_offsets(texts: pa.LargeStringArray) -> tuple[bytes, npt.NDArray[np.int64]]:
    offsets = offsets_of(texts)
    data = texts.buffers()[2]
    own = memoryview(data)[offsets[0] : offsets[-1]] if data is not None else b""
    return b"".join([own, bytes(PADDING)]), offsets - offsets[0]


def _starts(flat: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], where: Cut) -> npt.NDArray[np.bool_]:
    """Where a segment starts, and at the end of all: bool [bytes + 1]."""
    starts = np.zeros(len(flat) + 1, np.bool_)
    if where == "after_space":
        np.equal(flat, _SPACE, out=starts[1:])
    elif len(flat):
        np.equal(flat, _SPACE, out=starts[:-1])
        starts[1:-1] &= ~_ASCII_WHITE_SPACE[flat[:-1]]
        wide = np.flatnonzero(starts[1:-1] & (flat[:-1] >= 0x80)) + 1
        starts[wide[_after_wide_white_space(flat, wide)]] = False
    starts[offsets] = True
    return starts


def _after_wide_white_space(flat: npt.NDArray[np.uint8], places: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether white space of two or three bytes, such as U+00A0, ends before each place.

    The regular expressions of byte-level tokenizers take all white space that runs together as one.
    """
    last = np.zeros(len(places), np.int64)
    for back in (3, 2, 1):  # at the very start the third is no byte of the text, and makes none of these characters
        last = last << 8 | flat[places - back]
    known = [int.from_bytes(character, "big") for character in _WIDE_WHITE_SPACE]
    found: npt.NDArray[np.bool_] = np.isin(last, known) | np.isin(last & 0xFFFF, known)
    return found
