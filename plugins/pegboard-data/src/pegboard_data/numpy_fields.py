"""Rows of fields, taken apart with NumPy: positions of delimiters, quotes and line ends, many at a time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pegboard_data.cells import Cells, Layout
from pegboard_data.spans import NEWLINE, QUOTE, RETURN, Bytes, Mask, Positions, find, strings


class NumpyFields:
    """Takes rows apart.

    Args:
        layout: how they are written.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._before_opening = np.isin(np.arange(256), [layout.delimiter, NEWLINE, QUOTE])
        self._after_closing = np.isin(np.arange(256), [layout.delimiter, NEWLINE, RETURN, QUOTE])

    def cells(self, data: bytes, limit: int) -> Cells | None:
        """The rows at the beginning of `data`; `None` if the first one is out of order, or none ends.

        Args:
            data: begins with a row.
            limit: only rows that end before it are read; there is no lone carriage return in these.
        """
        layout = self._layout
        block = np.frombuffer(data, np.uint8)
        special = find(block, bytes({layout.delimiter, NEWLINE} | ({QUOTE} if layout.quotes else set())))
        kinds = block[special]
        newlines = special[kinds == NEWLINE]
        closing = special[:0]
        if layout.quotes and (kinds == QUOTE).any():
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
        if spans is None:
            return None
        texts, labels = (
            None if column is None else self._column(data, spans[0][:, column], spans[1][:, column], closing)
            for column in (layout.text, layout.label)
        )
        return Cells(end, lines, texts, labels, stopped=limit < len(data) - 1)

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
        opens = quotes & ((before == self._layout.delimiter) | (before == NEWLINE) | (special == 0))
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
        if len(is_end) % self._layout.columns:
            return None
        is_end = is_end.reshape(-1, self._layout.columns)
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
