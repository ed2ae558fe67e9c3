"""Rows of fields, read a block at a time where they are regular."""

from __future__ import annotations

import warnings
from threading import Lock

import numpy as np
from pegboard import PegboardWarning

from pegboard_data.cells import Cells, Layout
from pegboard_data.compiled_fields import CompiledFields, FieldLoops
from pegboard_data.numpy_fields import NumpyFields
from pegboard_data.rows import Problem, has_blank, problem_of_label
from pegboard_data.spans import QUOTE, Regular, is_utf8, odd_character

_COMPILED_FROM = 8 * 2**20
"""Bytes from which on compiled loops are worth loading."""

_MOST_LINES_BACK = 1000


class FieldReader:
    r"""Reads what Python's csv module reads, as long as it is regular, and stops before the first row that is not.

    Regular are rows that have all their columns; that end in `\n` or `\r\n`; whose quotes each open a field, close
    it, or stand twice within it, or are characters of a field that does not begin with one; in UTF-8 without NUL; with
    texts and labels that are not empty. Compiled loops read up to the first row that is not, NumPy may stop before.

    Args:
        layout: how rows are written.
        empty_texts: whether texts may be empty.
        problem_of: what is wrong with a label; a row in which something is, is not regular.
        file_bytes: how much there is to read. Compiled loops are loaded if it is much; they are tried on the first
            block, and not used if they read other rows.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        empty_texts: bool,
        problem_of: Problem = problem_of_label,
        file_bytes: int = 0,
    ) -> None:
        self._quotes = layout.quotes
        self._empty_texts = empty_texts
        self._problem_of = problem_of
        self._layout = layout
        self._fields: NumpyFields | CompiledFields = NumpyFields(layout)
        self._untried = file_bytes >= _COMPILED_FROM and layout.text != layout.label
        self._trying = Lock()

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
        found = self._fields.cells(data, limit)
        if self._untried and found is not None:
            found = self._tried(found, data, limit)
        if found is None or not is_utf8(data, found.end):
            return None
        if not self._empty_texts and has_blank(found.texts):
            return None
        labels = None if found.labels is None else found.labels.dictionary_encode()
        if labels is not None and any(self._problem_of(label) for label in labels.dictionary.to_pylist()):
            return None
        return Regular(min(found.end, size), found.lines, found.texts, labels, stopped=found.stopped)

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

    def _tried(self, expected: Cells, data: bytes, limit: int) -> Cells:
        """What NumPy read; from now on compiled loops are used, if there are any and they read the same."""
        with self._trying:
            if not self._untried:
                return expected
            self._untried = False
            loops = FieldLoops.load()
            if loops is None:
                return expected
            compiled = CompiledFields(self._layout, loops)
            if _begins_with(compiled.cells(data, limit), expected):
                self._fields = compiled
            else:
                warnings.warn(
                    "the compiled loops read other rows than NumPy and are not used; please report it, with what "
                    "`pegboard doctor` says",
                    PegboardWarning,
                    stacklevel=2,
                )
        return expected


def _begins_with(found: Cells | None, expected: Cells) -> bool:
    """Whether the expected rows were found; there may be more of them."""
    rows = len(expected.texts)
    if found is None or found.end < expected.end or (found.labels is None) != (expected.labels is None):
        return False
    same_labels = found.labels is None or found.labels[:rows].equals(expected.labels)
    return found.texts[:rows].equals(expected.texts) and same_labels
