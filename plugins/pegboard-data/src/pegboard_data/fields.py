"""Rows of fields, read a block at a time with NumPy where they are regular."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pegboard_data.rows import Problem, has_blank, problem_of_label
from pegboard_data.spans import (
    NEWLINE,
    QUOTE,
    RETURN,
    Bytes,
    Mask,
    Positions,
    Regular,
    find,
    is_utf8,
    odd_character,
    strings,
)

_MOST_LINES_BACK = 1000


class FieldReader:
    r"""Reads what Python's csv module reads, as long as it is regular, and stops before the first row that is not.

    Regular are rows that have all their columns; that end in `\n` or `\r\n`; whose quotes each open a field, close
    it, or stand twice within it, unless they are in a line in which no field begins with a quote; in UTF-8 without
    NUL; with texts and labels that are not empty.

    Args:
        delimiter: an ASCII character.
        columns: how many there are.
        text: the column of the text.
        label: that of the label; `None` if it is not read.
        quotes: whether a quote is more than a character.
        empty_texts: whether texts may be empty.
        problem_of: what is wrong with a label; a row in which something is, is not regular.
    """

    def __init__(
        self,
        delimiter: str,
        columns: int,
        text: int,
        label: int | None,
        *,
        quotes: bool,
        empty_texts: bool,
        problem_of: Problem = problem_of_label,
    ) -> None:
        self._problem_of = problem_of
        self._delimiter = ord(delimiter)
        self._columns = columns
        self._text = text
        self._label = label
        self._quotes = quotes
        self._empty_texts = empty_texts
        self._before_opening = np.isin(np.arange(256), [self._delimiter, NEWLINE, QUOTE])
        self._after_closing = np.isin(np.arange(256), [self._delimiter, NEWLINE, RETURN, QUOTE])

    def read(self, data: bytes, *, is_last: bool) -> Regular | None:
        """The rows at the beginning of `data`; `None` if the first row is not regular, or none ends.

        Args:
            data: begins with a row.
            is_last: whether the file ends with it; then its last row need not end.
        """
        size = len(data)
        if is_last and not data.endswith(b"\n"):
            data += b"\n"
        limit = odd_character(data)
        block = np.frombuffer(data, np.uint8)
        special = find(block, bytes({self._delimiter, NEWLINE} | ({QUOTE} if self._quotes else set())))
        kinds = block[special]
        newlines = special[kinds == NEWLINE]
        closing = special[:0]
        if self._quotes and (kinds == QUOTE).any():
            special, kinds, closing, limit = self._outside_quotes(block, special, kinds, limit)
        # What is left of the special characters separates fields.
        count = int(np.searchsorted(special, limit))
        row_ends = np.flatnonzero(kinds[:count] == NEWLINE)
        if not len(row_ends):
            return None
        special, kinds = special[: row_ends[-1] + 1], kinds[: row_ends[-1] + 1]
        end = int(special[-1]) + 1
        lines = int(np.searchsorted(newlines, end))
        spans = self._spans(block, special, kinds, returns=b"\r" in data)
        if spans is None or not is_utf8(data, end):
            return None
        starts, ends = spans
        texts = self._column(data, starts[:, self._text], ends[:, self._text], closing)
        if not self._empty_texts and has_blank(texts):
            return None
        labels = None
        if self._label is not None:
            labels = self._column(data, starts[:, self._label], ends[:, self._label], closing).dictionary_encode()
            if any(self._problem_of(label) for label in labels.dictionary.to_pylist()):
                return None
        return Regular(min(end, size), lines, texts, labels, stopped=limit < len(data) - 1)

    def end_of_rows(self, data: bytes) -> int:
        """Where a row at the end of `data` ends, as far as the number of quotes tells; 0 if there is no line end."""
        last = data.rfind(b"\n") + 1
        if not self._quotes:
            return last
        quotes = int(np.count_nonzero(np.frombuffer(data, np.uint8) == QUOTE))
        end, place = last, len(data)
        for _ in range(_MOST_LINES_BACK):
            quotes -= data.count(b'"', end, place)
            if quotes % 2 == 0 or not end:
                return end or last
            place, end = end, data.rfind(b"\n", 0, end - 1) + 1
        return last

    def _outside_quotes(
        self, block: Bytes, special: Positions, kinds: Bytes, limit: int
    ) -> tuple[Positions, Bytes, Positions, int]:
        """Which of the special characters stand outside of quotes, where quotes close, and how far this is sure."""
        quotes = kinds == QUOTE
        inside, closing, sure = self._paired(block, special, quotes)
        if sure < min(limit, len(block)):
            # Perhaps there are quotes that are characters of a field that does not begin with one.
            plain = self._plain_quotes(block, special, kinds)
            inside_then, closing_then, sure_then = self._paired(block, special, quotes & ~plain)
            wrong = special[plain & inside_then]
            sure_then = min(sure_then, int(wrong[0])) if len(wrong) else sure_then
            if sure_then > sure:
                inside, closing, sure = inside_then, closing_then, sure_then
        outside = ~(inside | quotes)
        return special[outside], kinds[outside], closing, min(limit, sure)

    def _paired(self, block: Bytes, special: Positions, quotes: Mask) -> tuple[Mask, Positions, int]:
        """Which special characters stand within quotes, where quotes close, and the first quote out of order."""
        inside = np.logical_xor.accumulate(quotes)
        positions = special[quotes]
        in_order = np.empty(len(positions), np.bool_)
        opening, closing = positions[0::2], positions[1::2]
        in_order[0::2] = self._before_opening[block[opening - 1]] | (opening == 0)
        in_order[1::2] = self._after_closing[block[np.minimum(closing + 1, len(block) - 1)]] | (
            closing == len(block) - 1
        )
        sure = len(block) if in_order.all() else int(positions[in_order.argmin()])
        return inside, closing, sure

    def _plain_quotes(self, block: Bytes, special: Positions, kinds: Bytes) -> Mask:
        """Which special characters are quotes in a line in which no field begins with a quote."""
        quotes = kinds == QUOTE
        before = block[special - 1]
        opens = quotes & ((before == self._delimiter) | (before == NEWLINE) | (special == 0))
        line = np.cumsum(kinds == NEWLINE)
        with_opening = np.zeros(int(line[-1]) + 1, np.bool_)
        with_opening[line[opens]] = True
        plain: Mask = quotes & ~with_opening[line]
        return plain

    def _spans(
        self, block: Bytes, separators: Positions, kinds: Bytes, *, returns: bool
    ) -> tuple[Positions, Positions] | None:
        """Where the fields start and end [rows, columns]; `None` if a row has more or fewer."""
        starts = np.empty_like(separators)
        starts[0] = 0
        np.add(separators[:-1], 1, out=starts[1:])
        ends = separators
        is_end = kinds == NEWLINE
        if returns:
            ends = ends - (is_end & (ends > starts) & (block[ends - 1] == RETURN))
        begins = np.empty_like(is_end)
        begins[0] = True
        begins[1:] = is_end[:-1]
        empty = is_end & begins & (starts == ends)  # lines
        if empty.any():
            starts, ends, is_end = starts[~empty], ends[~empty], is_end[~empty]
        if len(is_end) % self._columns:
            return None
        is_end = is_end.reshape(-1, self._columns)
        if not is_end[:, -1].all() or is_end[:, :-1].any():
            return None
        return starts.reshape(is_end.shape), ends.reshape(is_end.shape)

    def _column(self, data: bytes, starts: Positions, ends: Positions, closing: Positions) -> pa.StringArray:
        """The values of one column, out of their quotes."""
        block = np.frombuffer(data, np.uint8)
        if not len(starts) or not len(closing):
            return strings(data, starts, ends)
        quoted = (block[np.minimum(starts, len(block) - 1)] == QUOTE) & (ends > starts)
        starts, ends = starts + quoted, ends - quoted
        values = strings(data, starts, ends)
        closing = closing[: np.searchsorted(closing, len(block) - 1)]
        doubled = closing[block[closing + 1] == QUOTE]
        rows = np.searchsorted(starts, doubled, side="right") - 1
        rows = rows[(rows >= 0) & (doubled < ends[rows])]
        if not len(rows):
            return values
        with_doubled = np.zeros(len(starts), np.bool_)
        with_doubled[rows] = True
        mask = pa.array(with_doubled)
        return pc.replace_with_mask(values, mask, pc.replace_substring(values.filter(mask), '""', '"'))
