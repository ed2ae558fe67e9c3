"""Rows of a .csv or .tsv file: every column is text and stays as it is."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from pegboard import DataError

from pegboard_data.columns import text_and_label
from pegboard_data.lines import lines_of
from pegboard_data.options import FilesOptions
from pegboard_data.rows import Rows, collect

_LONGEST_FIELD = 2**31 - 1
_limit_lock = threading.Lock()


def read_csv(path: Path, kind: str, options: FilesOptions) -> Rows:
    """The rows of a file with columns.

    Python's csv module in its strict mode reads as RFC 4180 says and refuses the rest: a quote that is never
    closed, text after a closing quote. pyarrow's reader is faster but takes both without a word.

    Args:
        path: the file, plain or .gz.
        kind: `csv` or `tsv`, for the default delimiter.
        options: columns, encoding, delimiter, quotes.

    Raises:
        DataError: a column is missing, a row has more or fewer columns than the header, or quotes are out of order.
    """
    delimiter = options.delimiter or ("\t" if kind == "tsv" else ",")
    with _limit_lock:  # the limit is the process's, and its default of 128 kB a text is too low
        limit = csv.field_size_limit(_LONGEST_FIELD)
        try:
            return collect(_records(path, delimiter, options), lambda line: f"{path}, line {line}")
        finally:
            csv.field_size_limit(limit)


def _records(path: Path, delimiter: str, options: FilesOptions) -> Iterator[tuple[int, str, str]]:
    """The line on which a row begins, its text and its label."""
    header: list[str] | None = None
    text = label = -1
    for line, row in _rows(path, delimiter, options):
        if header is None:
            header = row
            text, label = _columns(header, delimiter, options, f"{path}, line {line}")
        elif len(row) != len(header):
            raise _ragged(row, header, delimiter, f"{path}, line {line}")
        else:
            yield line, row[text], row[label]
    if header is None:
        raise DataError("the file is empty", where=str(path), hint="the first line names the columns")


def _rows(path: Path, delimiter: str, options: FilesOptions) -> Iterator[tuple[int, list[str]]]:
    """The line on which a row begins, and its fields; empty lines are no rows."""
    lines = lines_of(path, options.encoding)
    if options.quotes:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    else:
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    begins = 1
    try:
        for row in reader:
            if row:
                yield begins, row
            begins = reader.line_num + 1
    except csv.Error as error:
        raise _not_csv(error, path, begins, reader.line_num) from None


def _columns(header: Sequence[str], delimiter: str, options: FilesOptions, where: str) -> tuple[int, int]:
    hint = None
    if options.text_column not in header and options.label_column not in header:
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
