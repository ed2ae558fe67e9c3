"""The inner loops of reading, for Numba to compile; `compiled_fields.py` does so.

Their arguments are pointers: nothing checks an index, so each says how much room it needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["count", "fields"]

Pointer = Any

_QUOTE, _NEWLINE, _RETURN = b'"\n\r'
_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)


def count(data: Pointer, size: int, byte: int) -> int:
    """How often a byte occurs among the first `size`."""
    found = 0
    for i in range(size):
        found += data[i] == byte
    return found


def fields(
    data: Pointer,
    size: int,
    delimiter: int,
    quotes: int,
    columns: int,
    text: int,
    label: int,
    room: int,
    values: Pointer,
    most_rows: int,
    ends: Pointer,
    result: Pointer,
) -> int:
    """Take texts and labels out of rows of fields, up to the first row that is out of order.

    Args:
        data: begins with a row; uint8 [size].
        size: how many bytes there are; a carriage return among them is followed by a newline.
        delimiter: what separates fields.
        quotes: whether a quote at a field's beginning is more than a character.
        columns: how many fields a row has.
        text: the number of the text's field.
        label: that of the label's; another than any if it is not wanted.
        room: at least `size` and 8 more.
        values: the bytes of all texts, from `room` on those of all labels; uint8 [3 * room].
        most_rows: at least how many newlines there are.
        ends: int32 [2, most_rows + 1]; where each text ends, and where each label does, after a 0.
        result: int64 [2]; how many bytes were read, and whether the row that comes then is out of order, not just cut.

    Returns:
        The number of rows; an empty line is none.
    """
    rows = at = result[0] = result[1] = 0
    text_end, label_end = 0, room
    ends[0] = ends[most_rows + 1] = 0
    while at < size:
        at = _after_empty_lines(data, at, size)
        result[0] = at
        new_text_end, new_label_end = text_end, label_end
        for column in range(columns):
            to = 2 * room
            if column == text:
                to = text_end
            elif column == label:
                to = label_end
            at, to = _field(data, at, size, delimiter, quotes, values, to)
            if at >= size:
                return rows
            is_last = data[at] == _NEWLINE
            if is_last != (column == columns - 1) or not (is_last or data[at] == delimiter):
                result[1] = 1
                return rows
            if column == text:
                new_text_end = to
            elif column == label:
                new_label_end = to
            at += 1
        text_end, label_end = new_text_end, new_label_end
        rows += 1
        ends[rows], ends[most_rows + 1 + rows] = text_end, label_end - room
        result[0] = at
    return rows


def _after_empty_lines(data: Pointer, at: int, size: int) -> int:
    while at < size:
        if data[at] == _NEWLINE:
            at += 1
        elif data[at] == _RETURN and at + 1 < size:
            at += 2
        else:
            break
    return at


def _field(data: Pointer, at: int, size: int, delimiter: int, quotes: int, values: Pointer, to: int) -> tuple[int, int]:
    """Copy a field, out of its quotes; where in `data` it ends, which is `size` if it does not, and where the copy."""
    if not quotes or at >= size or data[at] != _QUOTE:
        end = _copy_up_to(data, at, size, delimiter, _NEWLINE, values, to)
        to += end - at
        if end < size and data[end] == _NEWLINE and end > at and data[end - 1] == _RETURN:
            to -= 1
        return end, to
    while True:
        at += 1
        end = _copy_up_to(data, at, size, _QUOTE, _QUOTE, values, to)
        to += end - at
        at = end + 1
        if at >= size or data[at] != _QUOTE:
            break
        values[to] = _QUOTE
        to += 1
    if at + 1 < size and data[at] == _RETURN:
        at += 1
    return min(at, size), to


def _copy_up_to(data: Pointer, at: int, size: int, one: int, other: int, values: Pointer, to: int) -> int:
    """Copy what comes before one of two bytes, and gives where that is; up to 8 bytes more are written."""
    ones, others = np.uint64(one) * _ONES, np.uint64(other) * _ONES
    start = at
    while at + 8 <= size:
        eight = _eight_bytes(data, at)
        _put_eight_bytes(values, to + at - start, eight)
        found = _zeros(eight ^ ones) | _zeros(eight ^ others)
        if found != np.uint64(0):
            return at + _first(found)
        at += 8
    while at < size and data[at] != one and data[at] != other:
        values[to + at - start] = data[at]
        at += 1
    return at


def _eight_bytes(data: Pointer, at: int) -> Any:
    """The bytes from a place on as one number; compiled, this is one instruction."""
    eight = np.uint64(data[at])
    for k in range(1, 8):
        eight |= np.uint64(data[at + k]) << np.uint64(8 * k)
    return eight


def _put_eight_bytes(values: Pointer, to: int, eight: Any) -> None:
    for k in range(8):
        values[to + k] = np.uint8(eight >> np.uint64(8 * k))


def _zeros(eight: Any) -> Any:
    """The highest bit of each byte that is 0; those above the first may be wrong."""
    return (eight - _ONES) & ~eight & _HIGH_BITS


def _first(bits: Any) -> int:
    """The number of the first byte whose highest bit is set."""
    below = (bits & (~bits + np.uint64(1))) - np.uint64(1)
    return np.int64((below & _ONES) * _ONES >> np.uint64(56)) - 1
