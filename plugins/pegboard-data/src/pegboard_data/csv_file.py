"""Rows of a .csv or .tsv file: every column is text and stays as it is."""

from __future__ import annotations

import csv
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pegboard import DataError

from pegboard_data.blocks import LONGEST, Blocks, too_long
from pegboard_data.cells import Layout
from pegboard_data.columns import text_and_label
from pegboard_data.fields import FieldReader
from pegboard_data.options import FilesOptions
from pegboard_data.rows import Problem, Record
from pegboard_data.spans import Regular

_limit_lock = threading.Lock()


class CsvFormat:
    """Reads a file with columns.

    Python's csv module in its strict mode reads as RFC 4180 says and refuses the rest: a quote that is never
    closed, text after a closing quote. pyarrow's reader is faster but takes both without a word.

    Args:
        kind: `csv` or `tsv`, for the default delimiter.
        options: columns, delimiter, quotes.
        problem_of: what is wrong with a label.
    """

    def __init__(self, kind: str, options: FilesOptions, problem_of: Problem) -> None:
        self._problem_of = problem_of
        self._options = options
        self._delimiter = options.delimiter or ("\t" if kind == "tsv" else ",")
        self._header: list[str] = []
        self._text = 0
        self._label: int | None = None
        self._fields: FieldReader | None = None

    def begin(self, blocks: Blocks) -> None:
        """Read the header.

        Raises:
            DataError: a column is missing or there twice, or the file is empty.
        """
        with _long_fields():
            line, self._header = next(self._rows(blocks), (0, []))
        if not self._header:
            raise DataError("the file is empty", where=str(blocks.path), hint="the first line names the columns")
        self._text, self._label = _columns(self._header, self._delimiter, self._options, f"{blocks.path}, line {line}")
        if self._delimiter.isascii():
            self._fields = FieldReader(
                Layout(ord(self._delimiter), len(self._header), self._text, self._label, self._options.quotes),
                empty_texts=self._options.empty_texts == "keep",
                problem_of=self._problem_of,
                file_bytes=blocks.size,
            )

    def end_of_rows(self, data: bytes) -> int:
        """Where a row at the end of `data` ends, as far as one can tell at a glance; 0 if none does."""
        return self._fields.end_of_rows(data) if self._fields is not None else 0

    def accepts(self, found: Regular) -> bool:
        """Whether rows of `regular` can follow those before: always."""
        return True

    def regular(self, data: bytes, *, is_last: bool) -> Regular | None:
        """The rows at the beginning of `data`, if there is no doubt about them."""
        return self._fields.read(data, is_last=is_last) if self._fields is not None else None

    def strict(self, blocks: Blocks) -> Generator[Record, None, None]:
        """The line on which each row begins, its text and its label.

        Raises:
            DataError: a row has more or fewer columns than the header, or quotes are out of order.
        """
        with _long_fields():
            for line, row in self._rows(blocks):
                if len(row) != len(self._header):
                    raise _ragged(row, self._header, self._delimiter, f"{blocks.path}, line {line}")
                yield line, row[self._text], None if self._label is None else row[self._label]

    def _rows(self, blocks: Blocks) -> Iterator[tuple[int, list[str]]]:
        """The line on which a row begins, and its fields; empty lines are no rows."""
        begins = blocks.line

        def lines() -> Iterator[str]:
            size = 0
            for line in blocks.lines():
                size = len(line) + (size if blocks.line - 1 > begins else 0)
                if size > LONGEST:
                    raise too_long("row", f"{blocks.path}, line {begins}")
                yield line

        if self._options.quotes:
            reader = csv.reader(lines(), delimiter=self._delimiter, strict=True)
        else:
            reader = csv.reader(lines(), delimiter=self._delimiter, quoting=csv.QUOTE_NONE, strict=True)
        try:
            for row in reader:
                if row:
                    yield begins, row
                begins = blocks.line
        except csv.Error as error:
            raise _not_csv(error, blocks.path, begins, blocks.line - 1) from None


@contextmanager
def _long_fields() -> Iterator[None]:
    """The csv module's limit of a field is the process's, and its default of 128 kB a text is too low."""
    with _limit_lock:
        before = csv.field_size_limit(2 * LONGEST)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _columns(header: Sequence[str], delimiter: str, options: FilesOptions, where: str) -> tuple[int, int | None]:
    hint = None
    if options.text_column not in header and (options.label_column not in header or not options.labelled):
        other = next((d for d in ",;\t|" if d != delimiter and options.text_column in header[0].split(d)), None)
        hint = "the first line must name the columns; choose them with --set dataset.text_column=NAME"
        if other:
            shown = "\\t" if other == "\t" else other
            hint = f"the columns look separated by {shown!r}: --set dataset.delimiter='{shown}'"
    return text_and_label(header, options, where, hint=hint)


def _ragged(row: Sequence[str], header: Sequence[str], delimiter: str, where: str) -> DataError:
    if len(row) > len(header):
        hint = f"put a text that holds {delimiter!r} in double quotes"
    else:
        hint = "put a text that holds a line break in double quotes"
    many = f"{len(row)} column{'s' if len(row) > 1 else ''}"
    return DataError(f"the row has {many}, the header has {len(header)}", where=where, hint=hint)


def _not_csv(error: csv.Error, path: Path, begins: int, line: int) -> DataError:
    plain = "if quotes mean nothing in this file: --set dataset.quotes=false"
    if "unexpected end" in str(error):
        return DataError(
            "a quote is opened in this row and never closed",
            where=f"{path}, line {begins}",
            hint=f"close it, and write a quote within quotes twice; {plain}",
        )
    if "expected after" in str(error):
        since = f" (the row begins on line {begins})" if begins != line else ""
        return DataError(
            f"there is text after a closing quote{since}",
            where=f"{path}, line {line}",
            hint=f"write a quote within quotes twice; {plain}",
        )
    return DataError(f"is not valid CSV: {error}", where=f"{path}, line {line}")
