"""JSON's escapes in many strings at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard_data.spans import Bytes, Mask, Positions, values_of

_SHORT = np.zeros(256, np.uint8)
for _escape, _character in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True):
    _SHORT[_escape] = _character
_HEX = np.full(256, -1, np.int32)
for _value, _digit in enumerate(b"0123456789abcdef"):
    _HEX[[_digit, ord(chr(_digit).upper())]] = _value


def escaping(backslashes: Positions) -> Mask:
    """Which backslashes escape what follows, given the positions of all: every other one of those in a row."""
    follows = np.zeros(len(backslashes), np.bool_)
    follows[1:] = backslashes[1:] == backslashes[:-1] + 1
    if not follows.any():
        return ~follows
    number = np.arange(len(backslashes))
    run = np.maximum.accumulate(np.where(follows, 0, number))
    escapes: Mask = (number - run) % 2 == 0
    return escapes


def unescaped(texts: pa.StringArray) -> tuple[pa.StringArray, Mask]:
    r"""Strings as JSON has them between quotes, with their escapes taken out, and which of them that was possible for.

    It is not for an escape that JSON does not know, for half a surrogate pair, and for a NUL; such a string stays as
    it is.

    Args:
        texts: Arrow `string` without control characters, whose backslashes and quotes are escaped.

    Example:
        >>> unescaped(pa.array([r"a\tb \ud83d\ude00", r"\ud83d"]))
        (<pyarrow.lib.StringArray object ... ["a\tb 😀", "\\ud83d"]>, array([ True, False]))
    """
    block, offsets = values_of(texts)
    block = block[offsets[0] : offsets[-1]]
    offsets = (offsets - offsets[0]).astype(np.int64)
    backslashes = np.flatnonzero(block == ord("\\"))
    places = backslashes[escaping(backslashes)]
    rows = np.searchsorted(offsets, places, side="right") - 1
    kinds = block[np.minimum(places + 1, len(block) - 1)]
    codes = _code_units(block, places)
    codes[(kinds != ord("u")) | (places + 6 > offsets[rows + 1])] = -1
    first, second = _surrogates(places, codes, rows)
    codes[first] = 0x10000 + ((codes[first] - 0xD800) << 10) + (codes[second] - 0xDC00)
    simple = _SHORT[kinds] > 0
    sound = np.ones(len(texts), np.bool_)
    known = simple | ((codes > 0) & ((codes < 0xD800) | (codes > 0xDFFF)))
    known[second] = True
    sound[rows[~known]] = False
    out, keep = block.copy(), np.ones(len(block), np.bool_)
    used = sound[rows]
    short = places[simple & used]
    out[short] = _SHORT[kinds[simple & used]]
    keep[short + 1] = False
    used[second] = False
    dropped = np.where(simple & used, 1, 0)
    used &= ~simple
    dropped[used] = _write_utf8(out, keep, places[used], codes[used])
    before = np.zeros(len(places) + 1, np.int64)
    np.cumsum(dropped, out=before[1:])
    offsets -= before[np.searchsorted(places, offsets)]
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(out[keep])]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers), sound


def _code_units(block: Bytes, places: Positions) -> npt.NDArray[np.int32]:
    r"""The number in each `\uXXXX`; -1 where there is none."""
    codes = np.zeros(len(places), np.int32)
    valid = np.ones(len(places), np.bool_)
    for digit in range(2, 6):
        value = _HEX[block[np.minimum(places + digit, len(block) - 1)]]
        valid &= value >= 0
        codes = (codes << 4) | value
    codes[~valid] = -1
    return codes


def _surrogates(places: Positions, codes: npt.NDArray[np.int32], rows: Positions) -> tuple[Positions, Positions]:
    """Which escapes are the first and the second half of a surrogate pair."""
    high = (codes >= 0xD800) & (codes < 0xDC00)
    low = (codes >= 0xDC00) & (codes < 0xE000)
    pairs = np.flatnonzero(high[:-1] & low[1:] & (places[1:] == places[:-1] + 6) & (rows[1:] == rows[:-1]))
    return pairs, pairs + 1


def _write_utf8(out: Bytes, keep: Mask, places: Positions, codes: npt.NDArray[np.int32]) -> Positions:
    """Put characters over their escapes, and say how many bytes of each are left over.

    A character beyond 0xFFFF stands over two escapes.
    """
    lengths = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
    for length, mark in ((1, 0), (2, 0xC0), (3, 0xE0), (4, 0xF0)):
        at, rest = places[lengths == length], codes[lengths == length]
        for place in range(length - 1, 0, -1):
            out[at + place] = 0x80 | (rest & 0x3F)
            rest = rest >> 6
        out[at] = mark | rest
        for place in range(length, 12 if length == 4 else 6):
            keep[at + place] = False
    left: Positions = np.where(lengths == 4, 12, 6) - lengths
    return left
