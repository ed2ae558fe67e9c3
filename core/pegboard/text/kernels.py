"""The inner loops of encoding, for Numba to compile; `compiled.py` does so.

What they compute, `distinct.py`, `encoding.py` and `characters.py` compute with NumPy alone. Their arguments are
pointers: nothing checks an index, so each says how much room it needs.

The *key* of a unit of up to 15 bytes is its first eight bytes, as one uint64, and its next seven with its length in the
highest byte. Of a longer one it is a hash; and `LONG`, its length, and where its bytes begin in the arena.

*Slots* are uint64 [a power of two]: the lower half of a key's hash, and in the lower half of the slot one more than the
unit's number; 0 where a slot is free. The upper bits of the hash are the place where the search for it begins.

*Wide slots* are uint64 [a power of two, 4]: the key itself; one more than the number, or 0; and nothing, so that a slot
lies within a line of the processor's cache. Where there are many, a key is found with one access to memory, not two.

The *state* is int64 [2]: how many bytes of the arena are in use, and how many units have numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "ACCEPTS",
    "ALONE_KIND",
    "AT_ONCE",
    "BECOMES",
    "FREQUENT",
    "GAP_KIND",
    "INSIDE",
    "KINDS",
    "LONG",
    "NOT_PLAIN_KIND",
    "SPACE_KIND",
    "best_paths",
    "characters",
    "fill",
    "fill_slots",
    "fill_wide_slots",
    "find",
    "lengths",
    "merged_pairs",
    "word_pieces",
]

Pointer = Any

AT_ONCE = 4096
"""Units that are looked up together: the processor then waits for memory once for many, not once for each."""

FREQUENT = 2**15
"""Units that are looked up first, in a table that a core's cache holds: those that came early."""

BECOMES, ACCEPTS = 28, 36
"""The bits of a rule from which on is told what a byte becomes, and which kinds of character may follow in its run.
Below these one bit is set, that of its own kind."""

KINDS = BECOMES
GAP_KIND, ALONE_KIND, SPACE_KIND, NOT_PLAIN_KIND = 1 << 0, 1 << 1, 1 << 2, 1 << 3

LONG = np.uint64(0xFF << 56)
INSIDE = np.uint64(1 << 63)
_SHORT = 15
_FREQUENT_MASK = np.uint64(FREQUENT - 1)
_HALF, _HALF_BITS = np.uint64(0xFFFFFFFF), np.uint64(32)
_UPPER = np.uint64(0xFFFFFFFF << 32)
_ALL_BITS = np.uint64(2**64 - 1)
_FREE = np.uint64(0)
_M1, _M2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_SPACE = 0x20
_GAP, _SPACE_KIND, _NOT_PLAIN = np.uint64(GAP_KIND), np.uint64(SPACE_KIND), np.uint64(NOT_PLAIN_KIND)
_OWN_KIND = np.uint64((1 << KINDS) - 1)
_BECOMES, _ACCEPTS = np.uint64(BECOMES), np.uint64(ACCEPTS)


def _hash(low: Any, high: Any) -> Any:
    mixed = (low * _M1 ^ high * _M2) * _M1
    return mixed ^ mixed >> np.uint64(29)


def _eight_bytes(data: Pointer, at: int) -> Any:
    """The bytes from a place on as one number; compiled, this is one instruction."""
    return (
        np.uint64(data[at])
        | np.uint64(data[at + 1]) << np.uint64(8)
        | np.uint64(data[at + 2]) << np.uint64(16)
        | np.uint64(data[at + 3]) << np.uint64(24)
        | np.uint64(data[at + 4]) << np.uint64(32)
        | np.uint64(data[at + 5]) << np.uint64(40)
        | np.uint64(data[at + 6]) << np.uint64(48)
        | np.uint64(data[at + 7]) << np.uint64(56)
    )


def _short_key(data: Pointer, at: int, size: int) -> tuple[Any, Any]:
    """The key of 1 to 15 bytes, of which 16 can be read."""
    low = _eight_bytes(data, at) & (_ALL_BITS >> np.uint64(64 - 8 * min(size, 8)))
    more = np.uint64(8 * max(size - 8, 0))
    high = _eight_bytes(data, at + 8) & ((np.uint64(1) << more) - np.uint64(1))
    return low, high | np.uint64(size) << np.uint64(56)


def _key_at_end(data: Pointer, at: int, size: int) -> tuple[Any, Any]:
    """The key of 1 to 15 bytes, of which no more can be read."""
    low, high = np.uint64(0), np.uint64(size) << np.uint64(56)
    for k in range(min(size, 8)):
        low |= np.uint64(data[at + k]) << np.uint64(8 * k)
    for k in range(8, size):
        high |= np.uint64(data[at + k]) << np.uint64(8 * k - 64)
    return low, high


def _key(data: Pointer, at: int, size: int, limit: int) -> tuple[Any, Any]:
    """The key of 1 to 15 bytes; up to `limit` there are more."""
    return _short_key(data, at, size) if at + 16 <= limit else _key_at_end(data, at, size)


def _same(arena: Pointer, one: int, other: int, size: int) -> bool:
    for k in range(size):  # noqa: SIM110
        if arena[one + k] != arena[other + k]:
            return False
    return True


def _number(
    low: Any,
    high: Any,
    is_word: bool,
    slots: Pointer,
    shift: int,
    keys: Pointer,
    arena: Pointer,
    state: Pointer,
    ends: Pointer,
    are_words: Pointer,
    known: int,
) -> int:
    """The number of the unit with this key, which gets the next one if it has none.

    The bytes of a long one stand in the arena, behind those that are in use.
    """
    mask = (1 << (64 - shift)) - 1
    is_long = high >= LONG
    size = np.int64(high >> _HALF_BITS & np.uint64(0xFFFFFF)) if is_long else np.int64(high >> np.uint64(56))
    hashed = _hash(low, high & _UPPER if is_long else high)
    slot, used = np.int64(hashed >> np.uint64(shift)), state[0]
    while slots[4 * slot + 2] != _FREE:
        same, other = slots[4 * slot] == low, slots[4 * slot + 1]
        if same and is_long:
            same = other & _UPPER == high & _UPPER and _same(arena, np.int64(other & _HALF), used, size)
        if same and (is_long or other == high):
            return np.int64(slots[4 * slot + 2]) - 1
        slot = (slot + 1) & mask
    number = state[1]
    _fill_wide_slot(slots, slot, low, high, number)
    keys[2 * number], keys[2 * number + 1] = low, high
    if not is_long:
        for k in range(size):
            half = low if k < 8 else high
            arena[used + k] = np.uint8(half >> np.uint64(8 * (k & 7)) & np.uint64(0xFF))
    ends[number - known] = used + size
    are_words[number - known] = np.uint8(is_word)
    state[0], state[1] = used + size, number + 1
    return number


def _number_all(
    first: int,
    units: int,
    waiting: Pointer,
    data: Pointer,
    rules: Pointer,
    frequent: Pointer,
    slots: Pointer,
    shift: int,
    keys: Pointer,
    arena: Pointer,
    state: Pointer,
    ends: Pointer,
    are_words: Pointer,
    known: int,
    places: Pointer,
) -> bool:
    """Put at their places the numbers of units that wait, from the `first` on.

    Returns:
        Whether all have one now; if half of the slots are in use, no further unit gets a number.

    Args:
        first: how many units of the block have their numbers.
        units: how many of the block there are.
        waiting: uint64 [waiting units, 4]; the key of each, 1 if it is a word and else 0, and room for a number. The
            key of a long unit is, until it has its number, where in `data` it begins, and `LONG` with its size and,
            above that, 1 if it has a space in front that is not there.
        data: uint8, the texts.
        rules: see `find`, as for all that is not here.
        frequent: see there.
        slots: see there.
        shift: see there.
        keys: see there.
        arena: see there.
        state: see there.
        ends: see there.
        are_words: see there.
        known: see there.
        places: see there.
    """
    # The first two loops have no branch, so that the processor need not wait for one unit before it looks up the next.
    rare = 0
    for k in range(units - first):
        low, high = waiting[4 * k], waiting[4 * k + 1]
        place = 3 * np.int64(_hash(low, high) & _FREQUENT_MASK)
        places[first + k] = np.int32(frequent[place + 2])
        waiting[4 * rare + 3] = np.uint64(k)
        rare += (frequent[place] != low) | (frequent[place + 1] != high)
    missed = 0
    for i in range(rare):
        k = np.int64(waiting[4 * i + 3])
        low, high = waiting[4 * k], waiting[4 * k + 1]
        hashed = _hash(low, high)
        slot = 4 * np.int64(hashed >> np.uint64(shift))
        found = (slots[slot] == low) & (slots[slot + 1] == high)
        number = np.int64(slots[slot + 2]) - 1
        places[first + k] = np.int32(number)
        waiting[4 * missed + 3] = np.uint64(k)
        missed += not found
        if found:
            place = 3 * np.int64(hashed & _FREQUENT_MASK)
            if frequent[place + 1] == _FREE:
                frequent[place], frequent[place + 1], frequent[place + 2] = low, high, np.uint64(number)
    room = 1 << (63 - shift)
    for miss in range(missed):
        if state[1] == room:
            return False
        k = np.int64(waiting[4 * miss + 3])
        low, high, is_word = waiting[4 * k], waiting[4 * k + 1], waiting[4 * k + 2] == 1
        if high >= LONG:
            used, size = state[0], np.int64(high & _HALF)
            lead = np.int64(high >> _HALF_BITS & np.uint64(1))
            if lead:
                arena[used] = _SPACE
            low = _FNV_START
            for i in range(size):
                if i >= lead:
                    byte = data[np.int64(waiting[4 * k]) + i - lead]
                    arena[used + i] = np.uint8(rules[byte] >> _BECOMES) if is_word else byte
                low = (low ^ np.uint64(arena[used + i])) * _FNV_PRIME
            high = LONG | np.uint64(size) << _HALF_BITS | np.uint64(used)
        number = _number(low, high, is_word, slots, shift, keys, arena, state, ends, are_words, known)
        places[first + k] = np.int32(number)
    return True


def _wait(waiting: Pointer, k: int, low: Any, high: Any, is_word: bool) -> None:
    waiting[4 * k], waiting[4 * k + 1], waiting[4 * k + 2] = low, high, np.uint64(is_word)


def _raw_unit(data: Pointer, start: int, end: int, limit: int, waiting: Pointer, k: int) -> None:
    """Let some bytes as they stand wait as the k-th unit; up to `limit` there are more."""
    if end - start > _SHORT:
        _wait(waiting, k, np.uint64(start), LONG | np.uint64(end - start), False)
    else:
        low, high = _key(data, start, end - start, limit)
        _wait(waiting, k, low, high, False)


def _split(data: Pointer, start: int, end: int, rules: Pointer, normal: Pointer, borders: Pointer) -> tuple[int, bool]:
    """Normalize a text and cut it into runs of characters of one kind; a space belongs to the run after it.

    Args:
        data: uint8, the texts.
        start: where the text begins.
        end: where it ends.
        rules: see `find`.
        normal: uint8; gets a space and what the text becomes. It has room for 17 bytes more than the text has.
        borders: int64, gets where each run begins in `normal`, and where the last one ends; one for each byte and one
            more. Before the first run may be a gap.

    Returns:
        How many runs there are, and whether all characters are plain.
    """
    accepted, seen, count = _GAP, _FREE, 0
    normal[0] = _SPACE
    for i in range(end - start):
        rule = rules[data[start + i]]
        normal[i + 1] = np.uint8(rule >> _BECOMES)
        borders[count] = i + 1
        count += np.int64(rule & accepted == _FREE)
        accepted = rule >> _ACCEPTS
        seen |= rule
    borders[count] = end - start + 1
    return count, seen & _NOT_PLAIN == _FREE


def _word(text: int, normal: Pointer, first: int, last: int, waiting: Pointer, k: int) -> None:
    """Let a run of a text that `_split` found wait as the k-th unit."""
    if last - first > _SHORT:
        lead = np.uint64(first == 0)
        begins = np.uint64(text + max(first - 1, 0))
        _wait(waiting, k, begins, LONG | lead << _HALF_BITS | np.uint64(last - first), True)
    else:
        low, high = _short_key(normal, first, last - first)
        _wait(waiting, k, low, high, True)


def _kind(data: Pointer, text: int, rules: Pointer, borders: Pointer, run: int) -> Any:
    """The kind of a run's first character."""
    return rules[data[text + max(borders[run] - 1, 0)]] & _OWN_KIND


def _plain_text(
    data: Pointer,
    text: int,
    rules: Pointer,
    normal: Pointer,
    borders: Pointer,
    runs: int,
    waiting: Pointer,
    k: int,
) -> int:
    """Let the runs of a text wait that are words, from the k-th unit on; gives how many are, or -1.

    That is where a space has no word after it.
    """
    words, spaces = 0, 0
    for run in range(runs):
        kind = _kind(data, text, rules, borders, run)
        _word(text, normal, borders[run], borders[run + 1], waiting, k + words)
        words += kind != _GAP
        spaces += (kind == _SPACE_KIND) & (borders[run + 1] - borders[run] == 1)
    return words if spaces == 0 else -1


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


def _end_of_segment(data: Pointer, text: int, start: int, end: int, before_space: int) -> int:
    """Where the segment ends that begins at `start`, in a text from `text` to `end`."""
    i = start + 1
    if before_space:
        while i < end and not (data[i] == _SPACE and not _white_before(data, text, i)):
            i += 1
    else:
        while i < end and data[i - 1] != _SPACE:
            i += 1
    return i


def _begin_of_segment(data: Pointer, text: int, i: int, before_space: int) -> int:
    """Where the segment begins that a place in a text lies in."""
    if before_space:
        while i > text and not (data[i] == _SPACE and not _white_before(data, text, i)):
            i -= 1
    else:
        while i > text and data[i - 1] != _SPACE:
            i -= 1
    return i


def _mixed_text(
    data: Pointer,
    text: int,
    end: int,
    limit: int,
    before_space: int,
    rules: Pointer,
    normal: Pointer,
    borders: Pointer,
    runs: int,
    waiting: Pointer,
    k: int,
) -> int:
    """Let the words of a text wait, and the segments that are not plain; gives how many units they are."""
    units = run = 0
    while run < runs:
        start, kind = text + max(borders[run] - 1, 0), _kind(data, text, rules, borders, run)
        if kind == _SPACE_KIND:
            alone = borders[run + 1] - borders[run] == 1
            kind = _NOT_PLAIN if alone else rules[data[start + 1]] & _OWN_KIND
        if kind != _NOT_PLAIN:
            _word(text, normal, borders[run], borders[run + 1], waiting, k + units)
            units += kind != _GAP
            run += 1
            continue
        start = _begin_of_segment(data, text, start, before_space)
        while run and text + max(borders[run - 1] - 1, 0) >= start:
            run -= 1
            units -= _kind(data, text, rules, borders, run) != _GAP
        stop = _end_of_segment(data, text, start, end, before_space)
        _raw_unit(data, start, stop, limit, waiting, k + units)
        units += 1
        while run < runs and text + max(borders[run] - 1, 0) < stop:
            run += 1
    return units


def _segments(data: Pointer, text: int, end: int, limit: int, before_space: int, waiting: Pointer, k: int) -> int:
    """Let the segments of a text wait, from the k-th unit on; gives how many they are."""
    units, start = 0, text
    while start < end:
        stop = _end_of_segment(data, text, start, end, before_space)
        _raw_unit(data, start, stop, limit, waiting, k + units)
        units, start = units + 1, stop
    return units


def find(
    data: Pointer,
    offsets: Pointer,
    row: int,
    texts: int,
    before_space: int,
    has_words: int,
    rules: Pointer,
    adds_space: int,
    normal: Pointer,
    borders: Pointer,
    waiting: Pointer,
    frequent: Pointer,
    slots: Pointer,
    shift: int,
    keys: Pointer,
    arena: Pointer,
    state: Pointer,
    ends: Pointer,
    are_words: Pointer,
    known: int,
    places: Pointer,
    rows: Pointer,
) -> int:
    """Number the units of texts: normalized words, and the segments that are not plain ASCII, or segments alone.

    See `segments.cut`, `segments.cut_words` and, where a word has the space before it,
    `segments.cut_words_after_spaces`.

    Args:
        data: uint8, the texts.
        offsets: int64 [texts + 1]; where they begin.
        row: the text to begin with.
        texts: their number.
        before_space: 1 if a space begins a segment where no white space is before it, 0 if it ends one.
        has_words: 1 if segments that are plain are split into words; else 0, and the next two mean nothing.
        rules: uint64 [256]; of each byte its kind, what it becomes, and the kinds of which the next character may be,
            so that both stay together; see `BECOMES`, and `AsciiWords` for the kinds.
        adds_space: 1 if a text that begins without a space is treated as if it began with one; else 0.
        normal: see `_split`.
        borders: see there.
        waiting: see `_number_all`; room for `AT_ONCE` units, and for each byte of the longest text.
        frequent: uint64 [FREQUENT, 3]; the keys of some units and their numbers, by the lower bits of the hash.
        slots: wide ones; see above.
        shift: 64 less the bits of a slot's number.
        keys: uint64 [slots / 2, 2]; the units' keys by their numbers.
        arena: uint8; behind what is in use it has room for all texts, for two bytes more of each, and for the longest
            once more.
        state: see above.
        ends: int64, gets where the bytes of each new unit end in the arena; one for each byte.
        are_words: bool, gets whether each new unit is a word; one for each byte.
        known: how many units had numbers when the block began.
        places: int32, gets the number of each unit; one for each byte.
        rows: int64 [texts + 1], gets where the units of each text begin; up to `row` it has them.

    Returns:
        The text before which there must be more slots; `texts` at the end.
    """
    limit, done = offsets[texts], row
    units = numbered = rows[row]
    while True:
        if row == texts or units - numbered >= AT_ONCE:
            if not _number_all(
                numbered,
                units,
                waiting,
                data,
                rules,
                frequent,
                slots,
                shift,
                keys,
                arena,
                state,
                ends,
                are_words,
                known,
                places,
            ):
                return done
            numbered, done = units, row
            if row == texts:
                return row
        text, end = offsets[row], offsets[row + 1]
        more, k = -1, units - numbered
        if not has_words:
            more = _segments(data, text, end, limit, before_space, waiting, k)
        else:
            runs, plain = _split(data, text, end, rules, normal, borders)
            if adds_space and runs and data[text] != _SPACE:
                borders[0] = 0
            if plain:
                more = _plain_text(data, text, rules, normal, borders, runs, waiting, k)
            if more < 0:
                more = _mixed_text(data, text, end, limit, before_space, rules, normal, borders, runs, waiting, k)
        units += more
        row += 1
        rows[row] = units


def fill_slots(keys: Pointer, count: int, slots: Pointer, shift: int) -> int:
    """Put units, of which no two are alike and none is long, into slots that are free; gives their number."""
    mask = (1 << (64 - shift)) - 1
    for number in range(count):
        hashed = _hash(keys[2 * number], keys[2 * number + 1])
        slot = np.int64(hashed >> np.uint64(shift))
        while slots[slot] != _FREE:
            slot = (slot + 1) & mask
        slots[slot] = hashed << _HALF_BITS | np.uint64(number + 1)
    return count


def fill_wide_slots(keys: Pointer, count: int, slots: Pointer, shift: int) -> int:
    """Put units, of which no two are alike, into wide slots that are free; gives their number."""
    mask = (1 << (64 - shift)) - 1
    for number in range(count):
        low, high = keys[2 * number], keys[2 * number + 1]
        hashed = _hash(low, high & _UPPER if high >= LONG else high)
        slot = np.int64(hashed >> np.uint64(shift))
        while slots[4 * slot + 2] != _FREE:
            slot = (slot + 1) & mask
        _fill_wide_slot(slots, slot, low, high, number)
    return count


def _fill_wide_slot(slots: Pointer, slot: int, low: Any, high: Any, number: int) -> None:
    slots[4 * slot], slots[4 * slot + 1], slots[4 * slot + 2] = low, high, np.uint64(number + 1)


def lengths(
    places: Pointer,
    rows: Pointer,
    texts: int,
    ids_of: Pointer,
    room: int,
    around: int,
    found: Pointer,
    offsets: Pointer,
) -> int:
    """Where the ids of each text begin when at most `room` of them are kept; gives where the last ones end.

    Args:
        places: int32, the number of each unit.
        rows: int64 [texts + 1]; where the units of each text begin.
        texts: their number.
        ids_of: int64, of each number: how many ids the unit has, and in the lower half its id if it has one, and else
            where its ids begin in `ids`.
        room: the most ids of a text.
        around: how many ids are put around each text.
        found: int64, gets what `ids_of` says of each unit.
        offsets: int64 [texts + 1], gets where the ids of each text begin.
    """
    for unit in range(rows[0], rows[texts]):
        found[unit] = ids_of[places[unit]]
    at = 0
    offsets[0] = 0
    for row in range(texts):
        size = 0
        for unit in range(rows[row], rows[row + 1]):
            size += found[unit] >> 32
        at += min(size, room) + around
        offsets[row + 1] = at
    return at


def fill(
    found: Pointer,
    rows: Pointer,
    texts: int,
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
        found: as `lengths` gives it.
        rows: as `lengths` has it, as `texts`.
        texts: see there.
        ids: int32, of units that have more than one.
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
            count, start = found[unit] >> 32, found[unit] & 0xFFFFFFFF
            if count == 1:
                values[at] = np.int32(start)
                at += 1
            elif count:
                count = min(count, stop - at)
                for k in range(count):
                    values[at + k] = ids[start + k]
                at += count
            unit += 1
        unit = rows[row + 1] - 1
        while end > stop:
            count, start = found[unit] >> 32, found[unit] & 0xFFFFFFFF
            kept = min(count, end - stop)
            for k in range(kept):
                values[end - kept + k] = np.int32(start) if count == 1 else ids[start + count - kept + k]
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


def _known(low: Any, high: Any, slots: Pointer, shift: int, keys: Pointer) -> int:
    """The number of the unit with this key, which is no long one's; -1 if it has none."""
    mask = (1 << (64 - shift)) - 1
    hashed = _hash(low, high)
    slot = np.int64(hashed >> np.uint64(shift))
    while slots[slot] != _FREE:
        if slots[slot] >> _HALF_BITS == hashed & _HALF:
            number = np.int64(slots[slot] & _HALF) - 1
            if keys[2 * number] == low and keys[2 * number + 1] == high:
                return number
        slot = (slot + 1) & mask
    return -1


def _shorter(low: Any, high: Any, size: int) -> tuple[Any, Any]:
    """The key of the first bytes of a unit, one at least, by its own."""
    if size > 8:
        rest = high & ((np.uint64(1) << np.uint64(8 * (size - 8))) - np.uint64(1))
        return low, rest | np.uint64(size) << np.uint64(56)
    return low & (_ALL_BITS >> np.uint64(64 - 8 * size)), np.uint64(size) << np.uint64(56)


def word_pieces(
    data: Pointer,
    offsets: Pointer,
    words: int,
    most: int,
    longest: int,
    slots: Pointer,
    shift: int,
    keys: Pointer,
    tokens: Pointer,
    ids: Pointer,
    ends: Pointer,
    left: Pointer,
) -> int:
    """The ids of words by WordPiece: from left to right always the longest token that fits.

    Args:
        data: uint8, the words, each of a byte at least.
        offsets: int64 [words + 1]; where they begin.
        words: their number.
        most: how many bytes a word may have.
        longest: how many bytes a token may have; 15 at most.
        slots: see above. The units are the tokens: those that begin a word, and, with `INSIDE` in their key, those that
            go on with one, without the prefix that shows it.
        shift: 64 less the bits of a slot's number.
        keys: see above.
        tokens: int32, the id of each of these units.
        ids: int32, gets the ids; one for each byte.
        ends: int64 [words + 1], gets where the ids of each word begin, and the last ones end.
        left: bool [words], gets whether a word is given no ids, since it is longer or is not made of tokens.

    Returns:
        How many ids there are.
    """
    limit, count = offsets[words], 0
    ends[0] = 0
    for word in range(words):
        at, end = offsets[word], offsets[word + 1]
        first, inside, fits = count, np.uint64(0), end - at <= most
        while at < end and fits:
            size, number = min(longest, end - at), -1
            low, high = _key(data, at, size, limit)
            while number < 0:
                number = _known(low, high | inside, slots, shift, keys)
                if number < 0:
                    size -= 1
                    if size == 0:
                        break
                    low, high = _shorter(low, high, size)
            fits = number >= 0
            ids[count] = tokens[max(number, 0)]
            count, at, inside = count + 1, at + size, INSIDE
        if not fits:
            count = first
        left[word] = np.uint8(not fits)
        ends[word + 1] = count
    return count


def merged_pairs(
    data: Pointer,
    offsets: Pointer,
    words: int,
    most: int,
    characters: Pointer,
    slots: Pointer,
    shift: int,
    keys: Pointer,
    tokens: Pointer,
    ids: Pointer,
    ends: Pointer,
    left: Pointer,
) -> int:
    """The ids of words by byte pair encoding: of all pairs side by side always the first in the list is merged.

    Args:
        data: as `word_pieces` has it, as all that is not here.
        offsets: see there.
        words: see there.
        most: see there.
        characters: int32 [2, 256]; the id of each byte that begins a word, and of each within one; -1 if it has none.
        slots: see above. The units are pairs of ids in the order in which they are merged.
        shift: see there.
        keys: see above; the key of a pair is both ids in one number, and 1.
        tokens: int32, what each pair becomes.
        ids: see there.
        ends: see there.
        left: see there; it is longer, or has a byte without an id.

    Returns:
        See `word_pieces`.
    """
    count, nothing = 0, 1 << 62
    ends[0] = 0
    for word in range(words):
        size, fits = offsets[word + 1] - offsets[word], True
        fits = size <= most
        for k in range(size if fits else 0):
            ids[count + k] = characters[(256 if k else 0) + data[offsets[word] + k]]
            fits = fits and ids[count + k] >= 0
        while fits:
            best, place = nothing, 0
            for k in range(size - 1):
                pair = np.uint64(ids[count + k]) << _HALF_BITS | np.uint64(ids[count + k + 1])
                number = _known(pair, np.uint64(1), slots, shift, keys)
                if 0 <= number < best:
                    best, place = number, k
            if best == nothing:
                break
            ids[count + place] = tokens[best]
            size -= 1
            for k in range(place + 1, size):
                ids[count + k] = ids[count + k + 1]
        if fits:
            count += size
        left[word] = np.uint8(not fits)
        ends[word + 1] = count
    return count


def best_paths(
    data: Pointer,
    offsets: Pointer,
    words: int,
    most: int,
    longest: int,
    slots: Pointer,
    shift: int,
    keys: Pointer,
    tokens: Pointer,
    scores: Pointer,
    room: Pointer,
    sums: Pointer,
    ids: Pointer,
    ends: Pointer,
    left: Pointer,
) -> int:
    """The ids of words by a unigram model: the tokens whose scores have the largest sum.

    Args:
        data: as `word_pieces` has it, as all that is not here.
        offsets: see there.
        words: see there.
        most: see there.
        longest: see there.
        slots: see above. The units are the tokens.
        shift: see there.
        keys: see above.
        tokens: see there.
        scores: float64, the score of each token.
        room: int64 [2, most + 1]; gets of the best path to each place the last token, and where that begins.
        sums: float64 [most + 1]; gets the sum of that path.
        ids: see there.
        ends: see there.
        left: see there; it is longer, or has a byte that is no token.

    Returns:
        See `word_pieces`.
    """
    limit, count = offsets[words], 0
    ends[0] = 0
    for word in range(words):
        begin, size = offsets[word], offsets[word + 1] - offsets[word]
        fits = size <= most
        sums[0] = 0.0
        for k in range(1, size + 1 if fits else 0):
            room[k] = -1
        for at in range(size if fits else 0):
            low, high = _key(data, begin + at, min(longest, size - at), limit)
            for length in range(1, min(longest, size - at) + 1):
                shorter_low, shorter_high = _shorter(low, high, length)
                number = _known(shorter_low, shorter_high, slots, shift, keys)
                if number < 0:
                    if length == 1:
                        fits = False
                    continue
                to, total = at + length, scores[number] + sums[at]
                if room[to] < 0 or total > sums[to]:
                    sums[to], room[to], room[most + 1 + to] = total, number, at
        if fits:
            pieces, to = 0, size
            while to > 0:
                pieces, to = pieces + 1, room[most + 1 + to]
            to = size
            for k in range(pieces - 1, -1, -1):
                ids[count + k] = tokens[room[to]]
                to = room[most + 1 + to]
            count += pieces
        left[word] = np.uint8(not fits)
        ends[word + 1] = count
    return count
