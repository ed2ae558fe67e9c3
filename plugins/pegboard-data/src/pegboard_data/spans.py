"""Pieces of a block of bytes, found and taken out many at a time.

A span is a piece of the block from `starts[i]` to before `ends[i]`. Spans come in order and do not overlap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NEWLINE, RETURN, QUOTE, TAB, SPACE = b'\n\r"\t '

_PIECE_BYTES = 2**18
"""What is searched at once stays in the processor's cache."""


class Regular(NamedTuple):
    """The rows at the beginning of a block, read without any doubt.

    Attributes:
        size: the bytes that they take.
        lines: the lines that end in these.
        texts: Arrow `string`.
        labels: Arrow dictionary of int32 and `string`; `None` where labels are not read.
        stopped: whether what comes next has to be read strictly.
        kind_of_label: in a format that knows kinds of labels, that of these: `str` or `int`.
    """

    size: int
    lines: int
    texts: pa.StringArray
    labels: pa.DictionaryArray | None
    stopped: bool = False
    kind_of_label: type | None = None


def find(block: Bytes, characters: bytes, *, below: int = 0) -> Positions:
    """The positions of these characters, and of all bytes `below`."""
    size = min(len(block), _PIECE_BYTES)
    found_in_piece, more_in_piece = np.empty((2, size), np.bool_)
    parts = []
    for start in range(0, len(block), _PIECE_BYTES):
        piece = block[start : start + _PIECE_BYTES]
        found, more = found_in_piece[: len(piece)], more_in_piece[: len(piece)]
        np.less(piece, below, out=found) if below else np.equal(piece, characters[0], out=found)
        for character in characters if below else characters[1:]:
            np.equal(piece, character, out=more)
            np.logical_or(found, more, out=found)
        part = np.flatnonzero(found)
        part += start
        parts.append(part)
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def whole_lines(data: bytes, *, is_last: bool) -> tuple[bytes, int, bool]:
    r"""What a reader by lines that end in `\n` or `\r\n` can take of a block.

    Args:
        data: begins with a line.
        is_last: whether the file ends with it; then its last line need not end.

    Returns:
        The block, every line of it ended and none with a NUL or a lone carriage return; how many bytes of `data` that
        are; and whether such a character comes next.
    """
    if is_last and not data.endswith(b"\n"):
        whole, size = data + b"\n", len(data)
    else:
        whole, size = data, len(data)
    limit = odd_character(whole)
    end = whole.rfind(b"\n", 0, limit) + 1
    return (whole if end == len(whole) else whole[:end]), min(end, size), limit < len(whole) - 1


def odd_character(data: bytes) -> int:
    """The position of the first NUL or lone carriage return; the length if there is none.

    A carriage return at the very end counts as lone, though a newline may follow it in the file.
    """
    nul = data.find(b"\0")
    limit = len(data) if nul < 0 else nul
    if b"\r" in data:
        block = np.frombuffer(data, np.uint8)[:limit]
        returns = np.flatnonzero(block == RETURN)
        lone = returns[block[np.minimum(returns + 1, limit - 1)] != NEWLINE]
        limit = int(lone[0]) if len(lone) else limit
    return limit


def is_utf8(data: bytes, end: int) -> bool:
    """Whether all of it before `end` is valid UTF-8."""
    if data.isascii():
        return True
    offsets = pa.py_buffer(np.array([0, end], np.int32))
    try:
        pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(data)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def strings(data: bytes, starts: Positions, ends: Positions) -> pa.StringArray:
    """Spans of valid UTF-8 as an array of their own."""
    count = len(starts)
    if not count:
        return pa.array([], pa.string())
    offsets = np.empty(2 * count, np.int32)
    offsets[0::2] = starts
    offsets[1::2] = ends
    # Every other string of this array lies between two spans.
    all_of_it = pa.Array.from_buffers(pa.string(), 2 * count - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    return all_of_it.take(pa.array(np.arange(0, 2 * count, 2, dtype=np.int32)))


def values_of(texts: pa.StringArray) -> tuple[Bytes, npt.NDArray[np.int32]]:
    """The bytes of all texts, and where each of them starts and ends in these [rows + 1]."""
    if not len(texts):
        return np.zeros(0, np.uint8), np.zeros(1, np.int32)
    _, offsets, data = texts.buffers()
    own = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data if data is not None else b"", np.uint8), own


def starts_with(data: bytes, starts: Positions, literal: bytes) -> Mask:
    """Whether these bytes stand at each start; at one too near to the end of `data` they do not."""
    found = starts <= len(data) - len(literal)
    if not found.any():
        return found
    starts = starts if found.all() else np.where(found, starts, 0)
    place = 0
    for size in (8, 4, 2, 1):  # as many bytes at once as fit; they need not be aligned
        kind = np.dtype(f"<u{size}")
        at_each = np.ndarray((len(data) - size + 1,), kind, data, strides=(1,)) if size <= len(data) else None
        while at_each is not None and place + size <= len(literal):
            found &= at_each[starts + place] == int.from_bytes(literal[place : place + size], "little")
            place += size
    return found
