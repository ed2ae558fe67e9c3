"""The inner loops of encoding, for Numba to compile; `compiled.py` does so, and nothing else uses this module.

What they compute, `distinct.py`, `encoding.py` and `characters.py` compute with NumPy alone. Their arguments are
pointers: nothing checks an index, so each says how much room it needs.

A *table* holds the units that have numbers, uint64 [slots, 4] with a power of two of slots: the first eight bytes of a
unit; its next seven bytes and, in the highest byte, its length; its number; where its bytes begin in the arena. Of a
unit of more than 15 bytes the first two are a hash and, with `_LONG` in the highest byte, its length; it is found by
comparing its bytes. A second number of 0 marks a free slot.

The *state* is int64 [2]: how many bytes of the arena are in use, and how many units have numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["characters", "fill", "find_segments", "find_words", "find_words_after_spaces", "lengths", "rehash"]

Pointer = Any

_SPACE = 0x20
_GAP, _ALONE, _SPACE_KIND, _NOT_PLAIN = 0, 1, 254, 255
_SHORT = 15
_LONG = np.uint64(0xFF << 56)
_FREE = np.uint64(0)
_BYTE = np.uint64(8)
_M1, _M2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


def _slot(low: Any, high: Any, shift: int) -> int:
    """Where the search for a unit begins, in a table of `2 ** (64 - shift)` slots."""
    return np.int64(((low * _M1 ^ high * _M2) * _M1) >> np.uint64(shift))


def _same(arena: Pointer, one: int, other: int, size: int) -> bool:
    for k in range(size):  # noqa: SIM110
        if arena[one + k] != arena[other + k]:
            return False
    return True


def _number(
    table: Pointer,
    shift: int,
    low: Any,
    high: Any,
    arena: Pointer,
    state: Pointer,
    known: int,
    ends: Pointer,
    are_words: Pointer,
    is_word: bool,
) -> int:
    """The number of a unit, which gets the next one if it has none.

    The bytes of a long one stand in the arena, behind those that are in use.
    """
    mask = (1 << (64 - shift)) - 1
    slot = _slot(low, high, shift)
    used = state[0]
    while table[4 * slot + 1] != _FREE:
        if (
            table[4 * slot] == low
            and table[4 * slot + 1] == high
            and (high < _LONG or _same(arena, np.int64(table[4 * slot + 3]), used, np.int64(high - _LONG)))
        ):
            return np.int64(table[4 * slot + 2])
        slot = (slot + 1) & mask
    number = state[1]
    table[4 * slot], table[4 * slot + 1] = low, high
    table[4 * slot + 2], table[4 * slot + 3] = np.uint64(number), np.uint64(used)
    if high >= _LONG:
        used += np.int64(high - _LONG)
    else:
        size = np.int64(high >> np.uint64(56))
        for k in range(size):
            half = low if k < 8 else high
            arena[used + k] = np.uint8((half >> np.uint64(8 * (k & 7))) & np.uint64(0xFF))
        used += size
    ends[number - known] = used
    are_words[number - known] = np.uint8(is_word)
    state[0] = used
    state[1] = number + 1
    return number


def _hashed(arena: Pointer, start: int, size: int) -> Any:
    value = _FNV_START
    for k in range(start, start + size):
        value = (value ^ np.uint64(arena[k])) * _FNV_PRIME
    return value


def _raw_number(
    table: Pointer,
    shift: int,
    data: Pointer,
    start: int,
    end: int,
    arena: Pointer,
    state: Pointer,
    known: int,
    ends: Pointer,
    are_words: Pointer,
) -> int:
    """The number of the unit that some bytes are as they stand."""
    size = end - start
    low, high = np.uint64(0), np.uint64(0)
    if size > _SHORT:
        used = state[0]
        for k in range(size):
            arena[used + k] = data[start + k]
        low, high = _hashed(arena, used, size), _LONG | np.uint64(size)
    else:
        for k in range(min(size, 8)):
            low |= np.uint64(data[start + k]) << np.uint64(8 * k)
        for k in range(8, size):
            high |= np.uint64(data[start + k]) << np.uint64(8 * k - 64)
        high |= np.uint64(size) << np.uint64(56)
    return _number(table, shift, low, high, arena, state, known, ends, are_words, False)


def _word_number(
    table: Pointer,
    shift: int,
    data: Pointer,
    start: int,
    end: int,
    rules: Pointer,
    lead: int,
    arena: Pointer,
    state: Pointer,
    known: int,
    ends: Pointer,
    are_words: Pointer,
) -> tuple[int, int]:
    """The number of the normalized word that begins at a byte, and where it ends.

    Args:
        table: see above.
        shift: 64 less the bits of a slot's number.
        data: uint8, the texts.
        start: where the word begins; what is there is plain.
        end: where the text ends.
        rules: uint16 [256]; of each byte: its kind, and in the lower half what it becomes; see `AsciiWords`.
        lead: 1 if the word has a space in front, which is not counted into `start`; else 0.
        arena: see above.
        state: see above.
        known: how many units had numbers when the block began.
        ends: int64, gets where the bytes of each new unit end in the arena.
        are_words: bool, gets whether each new unit is a word.
    """
    low, high = np.uint64(0), np.uint64(0)
    filled = np.uint64(0)
    if lead:
        low, filled = np.uint64(_SPACE), _BYTE
    kind = rules[data[start]] >> 8
    i = start
    stop = end if kind != _ALONE else start + 1
    half = min(stop, start + 8 - lead)
    while i < half:
        rule = rules[data[i]]
        if rule >> 8 != kind:
            break
        low |= np.uint64(rule & 0xFF) << filled
        filled += _BYTE
        i += 1
    if i == start + 8 - lead:
        filled = np.uint64(0)
        half = min(stop, start + _SHORT - lead)
        while i < half:
            rule = rules[data[i]]
            if rule >> 8 != kind:
                break
            high |= np.uint64(rule & 0xFF) << filled
            filled += _BYTE
            i += 1
        if i == start + _SHORT - lead:
            while i < stop and rules[data[i]] >> 8 == kind:
                i += 1
    size = i - start + lead
    if size > _SHORT:
        used = state[0]
        if lead:
            arena[used] = _SPACE
        for k in range(lead, size):
            arena[used + k] = np.uint8(rules[data[start + k - lead]] & 0xFF)
        low, high = _hashed(arena, used, size), _LONG | np.uint64(size)
    else:
        high |= np.uint64(size) << np.uint64(56)
    return _number(table, shift, low, high, arena, state, known, ends, are_words, True), i


def find_words(
    data: Pointer,
    offsets: Pointer,
    row: int,
    texts: int,
    rules: Pointer,
    table: Pointer,
    shift: int,
    arena: Pointer,
    state: Pointer,
    ends: Pointer,
    are_words: Pointer,
    known: int,
    places: Pointer,
    rows: Pointer,
) -> int:
    """Number the normalized words of texts, and the segments that are not plain ASCII; see `segments.cut_words`.

    Of a segment that turns out not to be plain, the words before that place may get numbers that are not used.

    Args:
        data: uint8, the texts.
        offsets: int64 [texts + 1]; where they begin.
        row: the text to begin with.
        texts: their number.
        rules: see `_word_number`, as for all that is not here.
        table: the units that have numbers.
        shift: 64 less the bits of a slot's number.
        arena: uint8, with room for two bytes more of each text than it has.
        state: see above.
        ends: int64; one for each byte.
        are_words: bool; one for each byte.
        known: how many units had numbers when the block began.
        places: int32, gets the number of each unit; one for each byte.
        rows: int64 [texts + 1], gets where the units of each text begin; up to `row` it has them.

    Returns:
        The text it stopped before, since half of the table might not do; `texts` at the end.
    """
    slots = 1 << (64 - shift)
    units = rows[row]
    while row < texts:
        i, end = offsets[row], offsets[row + 1]
        if 2 * (state[1] + end - i) > slots:
            break
        segment, units_before = i, units
        while i < end:
            kind = rules[data[i]] >> 8
            if kind == _GAP:
                i += 1
                if data[i - 1] == _SPACE:
                    segment, units_before = i, units
                continue
            if kind == _NOT_PLAIN:
                while i < end and data[i] != _SPACE:
                    i += 1
                i = min(i + 1, end)
                number = _raw_number(table, shift, data, segment, i, arena, state, known, ends, are_words)
                units = units_before
                segment, units_before = i, units + 1
            else:
                number, i = _word_number(table, shift, data, i, end, rules, 0, arena, state, known, ends, are_words)
            places[units] = np.int32(number)
            units += 1
        row += 1
        rows[row] = units
    return row


def find_words_after_spaces(
    data: Pointer,
    offsets: Pointer,
    row: int,
    texts: int,
    rules: Pointer,
    adds_space: int,
    table: Pointer,
    shift: int,
    arena: Pointer,
    state: Pointer,
    ends: Pointer,
    are_words: Pointer,
    known: int,
    places: Pointer,
    rows: Pointer,
) -> int:
    """Number the normalized words of texts, each with the space before it; see `segments.cut_words_after_spaces`.

    Args:
        data: as `find_words` has it, as all that is not here.
        offsets: see there.
        row: see there.
        texts: see there.
        rules: see there.
        adds_space: 1 if a text that begins without a space is treated as if it began with one; else 0.
        table: see there.
        shift: see there.
        arena: see there.
        state: see there.
        ends: see there.
        are_words: see there.
        known: see there.
        places: see there.
        rows: see there.

    Returns:
        See `find_words`.
    """
    slots = 1 << (64 - shift)
    units = rows[row]
    while row < texts:
        first, end = offsets[row], offsets[row + 1]
        if 2 * (state[1] + end - first) > slots:
            break
        i = first
        segment, units_before = i, units
        lead = adds_space
        while i < end:
            kind = rules[data[i]] >> 8
            if kind == _SPACE_KIND:  # what is before it is plain, so it is no white space, and a segment begins here
                segment, units_before = i, units
                lead = 0
                if i + 1 < end:
                    kind = rules[data[i + 1]] >> 8
                    lead = 1
                if lead == 0 or kind == _SPACE_KIND:
                    kind = _NOT_PLAIN
                else:
                    i += 1
            if kind == _NOT_PLAIN:
                i = max(i, segment + 1)
                while i < end and not (data[i] == _SPACE and not _white_before(data, first, i)):
                    i += 1
                number = _raw_number(table, shift, data, segment, i, arena, state, known, ends, are_words)
                units = units_before
            else:
                number, i = _word_number(table, shift, data, i, end, rules, lead, arena, state, known, ends, are_words)
            lead = 0
            places[units] = np.int32(number)
            units += 1
        row += 1
        rows[row] = units
    return row


def _white_before(data: Pointer, first: int, i: int) -> bool:
    """Whether white space ends before a place in a text that begins at `first`."""
    last = np.int64(data[i - 1])
    if last < 0x80:
        return last == _SPACE or 0x09 <= last <= 0x0D
    if i - first < 2:
        return False
    two = np.int64(data[i - 2]) << 8 | last
    if two == 0xC285 or two == 0xC2A0:
        return True
    if i - first < 3:
        return False
    three = np.int64(data[i - 3]) << 16 | two
    return (
        three == 0xE19A80
        or 0xE28080 <= three <= 0xE2808A
        or three == 0xE280A8
        or three == 0xE280A9
        or three == 0xE280AF
        or three == 0xE2819F
        or three == 0xE38080
    )


def find_segments(
    data: Pointer,
    offsets: Pointer,
    row: int,
    texts: int,
    before_space: int,
    table: Pointer,
    shift: int,
    arena: Pointer,
    state: Pointer,
    ends: Pointer,
    are_words: Pointer,
    known: int,
    places: Pointer,
    rows: Pointer,
) -> int:
    """Number the segments of texts; see `segments.cut`.

    Args:
        data: as `find_words` has it, as all that is not here.
        offsets: see there.
        row: see there.
        texts: see there.
        before_space: 1 if a space begins a segment where no white space is before it, 0 if it ends one.
        table: see there.
        shift: see there.
        arena: see there.
        state: see there.
        ends: see there.
        are_words: see there.
        known: see there.
        places: see there.
        rows: see there.

    Returns:
        See `find_words`.
    """
    slots = 1 << (64 - shift)
    units = rows[row]
    while row < texts:
        first, end = offsets[row], offsets[row + 1]
        if 2 * (state[1] + end - first) > slots:
            break
        i = first
        while i < end:
            start = i
            i += 1
            if before_space:
                while i < end and not (data[i] == _SPACE and not _white_before(data, first, i)):
                    i += 1
            else:
                while i < end and data[i - 1] != _SPACE:
                    i += 1
            number = _raw_number(table, shift, data, start, i, arena, state, known, ends, are_words)
            places[units] = np.int32(number)
            units += 1
        row += 1
        rows[row] = units
    return row


def rehash(table: Pointer, shift: int, larger: Pointer, larger_shift: int) -> int:
    """Put all units of a table into a larger, empty one; gives their number."""
    count, mask = 0, (1 << (64 - larger_shift)) - 1
    for old in range(1 << (64 - shift)):
        low, high = table[4 * old], table[4 * old + 1]
        if high == _FREE:
            continue
        slot = _slot(low, high, larger_shift)
        while larger[4 * slot + 1] != _FREE:
            slot = (slot + 1) & mask
        larger[4 * slot], larger[4 * slot + 1] = low, high
        larger[4 * slot + 2], larger[4 * slot + 3] = table[4 * old + 2], table[4 * old + 3]
        count += 1
    return count


def lengths(
    places: Pointer, rows: Pointer, texts: int, firsts: Pointer, room: int, around: int, offsets: Pointer
) -> int:
    """Where the ids of each text begin when at most `room` of them are kept; gives where the last ones end.

    Args:
        places: int32, the number of each unit.
        rows: int64 [texts + 1]; where the units of each text begin.
        texts: their number.
        firsts: int64, of each number: how many ids the unit has, and in the lower half the first of them.
        room: the most ids of a text.
        around: how many ids are put around each text.
        offsets: int64 [texts + 1], gets where the ids of each text begin.
    """
    at = 0
    offsets[0] = 0
    for row in range(texts):
        size = 0
        for unit in range(rows[row], rows[row + 1]):
            size += firsts[places[unit]] >> 32
            if size >= room:
                break
        at += min(size, room) + around
        offsets[row + 1] = at
    return at


def fill(
    places: Pointer,
    rows: Pointer,
    texts: int,
    firsts: Pointer,
    starts: Pointer,
    ids: Pointer,
    from_end: int,
    before: Pointer,
    count_before: int,
    after: Pointer,
    count_after: int,
    offsets: Pointer,
    values: Pointer,
) -> int:
    """Put the ids of each text at their place; gives how many there are.

    Args:
        places: as `lengths` has it, as `rows`, `texts` and `firsts` are.
        rows: see there.
        texts: see there.
        firsts: see there.
        starts: int64, of each number: where the unit's ids begin in `ids`.
        ids: int32
        from_end: how many ids of a text that has more than are kept are those of its end.
        before: int32, the ids before each text.
        count_before: how many.
        after: int32, those after it.
        count_after: how many.
        offsets: int64 [texts + 1]; where the ids of each text begin.
        values: int32, gets the ids.
    """
    for row in range(texts):
        at, end = offsets[row], offsets[row + 1]
        for k in range(count_before):
            values[at + k] = before[k]
        at += count_before
        for k in range(count_after):
            values[end - count_after + k] = after[k]
        end -= count_after
        unit, stop = rows[row], max(at, end - from_end)
        while at < stop:
            first = firsts[places[unit]]
            count = first >> 32
            if count == 1:
                values[at] = np.int32(first & 0xFFFFFFFF)
                at += 1
            elif count:
                start = starts[places[unit]]
                count = min(count, stop - at)
                for k in range(count):
                    values[at + k] = ids[start + k]
                at += count
            unit += 1
        unit = rows[row + 1] - 1
        while end > stop:
            first = firsts[places[unit]]
            count, start = first >> 32, starts[places[unit]]
            kept = min(count, end - stop)
            for k in range(kept):
                values[end - kept + k] = ids[start + count - kept + k]
            end -= kept
            unit -= 1
    return np.int64(offsets[texts])


def characters(
    data: Pointer,
    offsets: Pointer,
    row: int,
    texts: int,
    table: Pointer,
    room: int,
    from_end: int,
    before: Pointer,
    count_before: int,
    after: Pointer,
    count_after: int,
    not_plain: Pointer,
    borders: Pointer,
    values: Pointer,
    unknown: Pointer,
) -> int:
    """The ids of the characters of texts, by a table of all code points.

    Args:
        data: uint8, the texts, valid UTF-8.
        offsets: int64 [texts + 1]; where they begin.
        row: the text to begin with.
        texts: their number.
        table: int32; the id of each code point, -1 if it has none by itself, and less if nothing is known of it yet.
        room: the most characters of a text that are kept.
        from_end: how many of these are those of its end, if it has more.
        before: int32, the ids before each text.
        count_before: how many.
        after: int32, those after it.
        count_after: how many.
        not_plain: bool [texts]; false, gets true where a text has a character without an id: it is given no ids at all.
        borders: int64 [texts + 1], gets where the ids of each text begin; up to `row` it has them.
        values: int32, gets the ids; one for each byte, and those around each text.
        unknown: int64 [1], gets the character of which nothing is known.

    Returns:
        The text it stopped at, since it has an unknown character; `texts` at the end.
    """
    while row < texts:
        i, end = offsets[row], offsets[row + 1]
        at = borders[row]
        for k in range(count_before):
            values[at + k] = before[k]
        start = at + count_before
        at = start
        last = start + room if from_end == 0 else start + (end - i)  # where no more are written
        lowest = np.int32(0)
        while i < end:
            code = np.int64(data[i])
            i += 1
            if code >= 0x80:
                if code < 0xE0:
                    code = (code & 0x1F) << 6 | (np.int64(data[i]) & 0x3F)
                    i += 1
                elif code < 0xF0:
                    code = (code & 0x0F) << 12 | (np.int64(data[i]) & 0x3F) << 6 | (np.int64(data[i + 1]) & 0x3F)
                    i += 2
                else:
                    code = (code & 0x07) << 18 | (np.int64(data[i]) & 0x3F) << 12
                    code |= (np.int64(data[i + 1]) & 0x3F) << 6 | (np.int64(data[i + 2]) & 0x3F)
                    i += 3
            token = table[code]
            if token < lowest:
                lowest = token
                if token < -1:
                    unknown[0] = code
                    return row
            if at < last:
                values[at] = token
                at += 1
        count = at - start
        if lowest < 0:
            not_plain[row] = np.uint8(1)
            at = borders[row]
        else:
            if count > room:
                first = room - from_end
                for k in range(from_end):
                    values[start + first + k] = values[at - from_end + k]
                at = start + room
            for k in range(count_after):
                values[at + k] = after[k]
            at += count_after
        row += 1
        borders[row] = at
    return row
